"""A proposal: certified trades, and the book before and after them, as plain data that a file holds without loss."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import pandas as pd

from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given, given_text, named
from hedgeopt.files.notebook import html_card, html_table, plain_number, shortened
from hedgeopt.files.parsing import from_json
from hedgeopt.files.plain import ColumnKinds, from_plain, json_text, restored, to_plain
from hedgeopt.files.writing import write_atomically
from hedgeopt.measures.cash import CASH_AHEAD, MARGIN_AHEAD
from hedgeopt.measures.figures import Figures
from hedgeopt.measures.margin import AccountMargin
from hedgeopt.measures.promised import PromisedTail
from hedgeopt.measures.risk import RiskReport
from hedgeopt.program.proposal_schema import SCHEMA, check_seal, migrated, sealed
from hedgeopt.program.proven import Certificate

if TYPE_CHECKING:
    from hedgeopt.constraints.constraint import BoxConstraint, Constraint
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.reports.figures import Plots

__all__ = ["LIMITS", "OBJECTIVE", "TRADES", "TRADE_COSTS", "TRANSFERS", "MarginChange", "Proposal", "read_proposal"]

TRADES = ColumnKinds(
    account="text", instrument="text", side="text", quantity="number", unit="text", price="number", notional="number",
    premium="number", cost="number", fee="number", delta="number", gamma="number", vega="number",
)  # fmt: skip
"""Columns of :attr:`Proposal.trades`, in order."""

TRANSFERS = ColumnKinds(
    source="text", target="text", asset="text", amount="number", usd="number", cost="number", fixed_cost="number",
    delay_hours="number", bridge="text or none",
)  # fmt: skip
"""Columns of :attr:`Proposal.transfers`."""

LIMITS = ColumnKinds(
    limit="text", before="number", after="number", bound="number", sense="text", unit="text", binding="truth",
    shadow_price="number", breached_before="truth",
)  # fmt: skip
"""Columns of :attr:`Proposal.limits`."""

TRADE_COSTS = ColumnKinds(
    account="text", instrument="text", half_spread="number", depth="number", fee="number", gas="number", carry="number",
)  # fmt: skip
"""Columns of :attr:`Proposal.trade_costs`; USD."""

OBJECTIVE = ColumnKinds(term="text", weight="number", unit="text", before="number", after="number")
"""Columns of :attr:`Proposal.objective`."""


class MarginChange(NamedTuple):
    """Margin of one account before and after trading."""

    before: AccountMargin
    after: AccountMargin


@strict_class
@dataclass(frozen=True, eq=False)
class Proposal:
    """The answer to a policy: plain data, nothing that only lives in one process.

    It pickles, and goes to JSON and back without loss (:meth:`to_json`, :meth:`from_json`, :func:`read_proposal`); every
    report is drawn from it alone. Two are equal when their JSON is. What an older file did not record is None.

    Attributes
    ----------
    created
        Moment of the market.
    book, source, scenarios
        In words: the book's name, where the market was read from, the scenario sample.
    policy
        The policy's JSON, as ``Policy.model_dump(mode="json")`` writes it; kept as it was, whatever policies are later.
    trades : DataFrame
        One row per trade: account, instrument, side, quantity, unit, price (the quote it would hit, quote unit), notional
        (USD), premium (USD paid, negative received), cost (USD), fee (USD, part of cost), delta, gamma, vega (change of the
        book's).
    trade_costs : DataFrame
        The cost of each trade in USD, in the order of ``trades``: half_spread (to the best quote), depth (what walking a
        ladder adds) and fee, which add up to the trade's ``cost``; gas, whatever its size, counted
        where the policy has a ticket; and carry over the horizon (negative is income; not finite where no rate is known).
    limits : DataFrame
        One row per limit: value before and after, bound, unit, whether it binds (the ideal trades, of a list in
        whole lots), shadow price (objective per unit of limit).
        Like the certificate, costs, objective, risk and figures in units of the policy's numeraire, ``after.unit``.
    certificate : Certificate
    before, after : RiskReport
        ``after`` counts trading costs in equity.
    costs
        USD by part: half-spread, fees, carry over the horizon.
    objective
        The objective by term, before and after.
    transfers : DataFrame
        One row per transfer of collateral: link, asset, amount, usd, cost, fixed_cost (USD, counted where the policy
        has a ticket), delay_hours.
    margins
        Per account that has positions or debts: margin before and after, now and in every stress; see
        :class:`hedgeopt.measures.margin.AccountMargin`.
    binding_sizes
        Instruments at a size limit, by the limit's name.
    seconds
        Per stage.
    notes
        Assumptions made where data were missing.
    statistics
        The solver's own account, and each attempt.
    proof
        What a verifier needs beside the limits' shadow prices: scenario weights per CVaR term, other multipliers that prove
        more, with links the choices of what leaves that are all there are, and how many constraints were added by hand
        (which no file tells of).
    figures
        What the page's plots show: P&L against spot, distribution of losses.
    inputs
        SHA-256 of book, market and policy; see :func:`hedgeopt.program.provenance.input_hashes`.
    versions
        Of hedgeopt, Python and the libraries that computed it.
    seed, scenario_digest
        Seed of the scenario sample, and the SHA-256 of sample and stress scenarios.
    book_after
        The book's JSON after trades and transfers, which :func:`~hedgeopt.inputs.book_file.read_book` reads; conventions in
        :mod:`hedgeopt.program.book_after`.
    cash_ahead, margin_ahead : DataFrame
        Cash by account, asset and day over the next seven days after trades and transfers, if prices stay as they are, and
        the margin of what is still open then: :mod:`hedgeopt.measures.cash`; empty in older files.
    promise
        The tail after trading from several sides: sample, its error, fresh draws, stresses, the recorded past.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    IN_FILE: ClassVar[dict[str, str]] = {"market": "source", "solver": "statistics"}

    created: datetime
    book: str
    source: str
    scenarios: str
    policy: dict[str, Any]
    trades: Annotated[pd.DataFrame, TRADES]
    trade_costs: Annotated[pd.DataFrame, TRADE_COSTS]
    transfers: Annotated[pd.DataFrame, TRANSFERS]
    limits: Annotated[pd.DataFrame, LIMITS]
    margins: tuple[MarginChange, ...]
    certificate: Certificate
    before: RiskReport
    after: RiskReport
    costs: dict[str, float]
    objective: Annotated[pd.DataFrame, OBJECTIVE]
    binding_sizes: dict[str, list[str]]
    statistics: dict[str, Any]
    seconds: dict[str, float]
    notes: tuple[str, ...]
    proof: dict[str, Any] = field(default_factory=dict, repr=False)
    figures: Figures | None = field(default=None, repr=False)
    inputs: dict[str, str] | None = None
    versions: dict[str, str] | None = None
    seed: int | None = None
    scenario_digest: str | None = None
    book_after: dict[str, Any] | None = field(default=None, repr=False)
    cash_ahead: Annotated[pd.DataFrame, CASH_AHEAD] = field(default_factory=lambda: CASH_AHEAD.of({}), repr=False)
    margin_ahead: Annotated[pd.DataFrame, MARGIN_AHEAD] = field(default_factory=lambda: MARGIN_AHEAD.of({}), repr=False)
    promise: PromisedTail | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proposal) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        """One line: book, trades, cost, certificate."""
        trades = many(len(self.trades), "trade")
        sent = f", {many(len(self.transfers), 'transfer')}" if len(self.transfers) else ""
        cost = float(self.costs.get("transaction", math.nan))
        word = "certified" if self.certificate.valid else "NOT CERTIFIED"
        return f"Proposal({shortened(self.book, 60)!r}, {trades}{sent}, {plain_number(cost)} {self.unit} to trade, {word})"

    def _repr_html_(self) -> str:
        """Trades, limits and the certificate, for notebooks; :meth:`to_html` is the whole page."""
        sent = ("source", "target", "asset", "amount", "usd")
        listed = ("account", "side", "quantity", "instrument", "price", "notional", "cost")
        bound = ("limit", "before", "after", "sense", "bound", "unit")
        return html_card(
            repr(self),
            [f"{self.created:%Y-%m-%d %H:%M:%S %Z}, policy {self.policy_name}, {self.scenarios} scenarios"],
            html_table("Transfers first", sent, self.transfers[list(sent)].to_numpy(dtype=object).tolist()),
            html_table("Trades", listed, self.trades[list(listed)].to_numpy(dtype=object).tolist()),
            html_table("Limits", bound, self.limits[list(bound)].to_numpy(dtype=object).tolist()),
            self.certificate._repr_html_(),
        )

    @property
    def unit(self) -> str:
        """What money counts in: USD, or the policy's numeraire."""
        return self.after.unit

    @property
    def policy_name(self) -> str:
        """The policy's name."""
        return str(self.policy.get("name", "policy"))

    def to_dict(self) -> dict[str, Any]:
        """The JSON's content; its form is described in :mod:`hedgeopt.program.proposal_schema`."""
        odd: dict[str, str] = {}
        data = to_plain(self, odd)
        return sealed({"schema": SCHEMA, **data, "not_finite": odd})

    def to_json(self) -> str:
        """JSON text that :meth:`from_json` reads back to an equal proposal; the same proposal gives the same text."""
        return json_text(self.to_dict())

    @classmethod
    def from_json(cls, text: str, file: object = "proposal") -> Proposal:
        """The proposal in a text that :meth:`to_json` wrote, of this version or any before it.

        Raises
        ------
        InputError
            One line that names ``file``, the field, the value and the fix: for what is not JSON (a truncated file), no
            proposal, of a newer version, or not as it was written.
        """
        data = from_json(text, file)
        present, lossy = migrated(data, file)
        odd = present.pop("not_finite", None)
        present = restored(present, odd, file, "not_finite")
        proposal: Proposal = from_plain(cls, present, file, "", lossy=lossy)
        check_seal(json.loads(text), file)
        return proposal

    def as_read(self) -> Proposal:
        """The proposal as a file would give it: numbers are Python's own, lists and tuples what the fields say."""
        odd: dict[str, str] = {}
        data = restored(to_plain(self, odd), odd, "proposal", "not_finite")
        found: Proposal = from_plain(Proposal, data, "proposal", "")
        return found

    @property
    def plot(self) -> Plots:
        """Figures for notebooks, drawn from this proposal alone: ``proposal.plot.pnl()``, ``.losses()``, ``.greeks()``, …"""
        from hedgeopt.reports.figures import Plots

        return Plots(self)

    @strict_call
    def without(self, *names: str, book: Book | None = None, market: Market | None = None) -> Proposal:
        """The best proposal that does not trade these instruments; a stored one needs the inputs that it was solved from.

        Raises
        ------
        InputError, InfeasibleError, CertificateError
        """
        from hedgeopt.program.explain.what_if import without

        return without(self, names, book, market)

    @strict_call
    def with_limit(
        self, limit: str | Constraint | BoxConstraint, value: float | None = None, *, book: Book | None = None,
        market: Market | None = None,
    ) -> Proposal:  # fmt: skip
        """The best proposal with one limit of the policy moved.

        ``with_limit("gamma BTC", -0.0005)`` moves the limit of that name in the table of limits to ``value``, in its unit;
        ``with_limit(ho.Gamma("BTC") >= -0.0005)`` puts one in place of those of its kind and name, or adds it.

        Raises
        ------
        InputError, InfeasibleError, CertificateError
        """
        from hedgeopt.program.explain.what_if import limited

        return limited(self, limit, value, book, market)

    def to_html(self) -> str:
        """A self-contained page with tables and plots."""
        from hedgeopt.reports.page import proposal_page

        return proposal_page(self)

    @strict_call
    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``proposal.json`` and ``proposal.html`` into ``folder``: both or none."""
        folder = Path(folder)
        paths = folder / "proposal.json", folder / "proposal.html"
        write_atomically({paths[0]: self.to_json(), paths[1]: self.to_html()})
        return paths


@strict_call
def read_proposal(source: Given) -> Proposal:
    """Read a stored ``proposal.json`` (path or open file, or its dict), of this version or any before it.

    Raises
    ------
    InputError
        See :meth:`Proposal.from_json`.
    """
    text = json.dumps(source) if isinstance(source, dict) else given_text(source, "proposal")
    return Proposal.from_json(text, named(source, "proposal"))
