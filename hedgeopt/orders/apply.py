"""Fills booked: tomorrow's book, what differs from the proposal, and the limits of the new book.

Conventions are those of a proposal's own book (:mod:`hedgeopt.program.book_after`): positions change by what was filled;
options are paid for at the price of the fill, in what they settle in; a margined contract settles the difference from the
price of the fill to its mark now; fees are paid in their own asset. So fills at the prices and fees of the proposal give its
``book_after``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given, named
from hedgeopt.files.names import advice
from hedgeopt.files.plain import ColumnKinds, to_plain
from hedgeopt.files.reading import validated
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of
from hedgeopt.orders.fills import FILL_COLUMNS, ListedFill, read_fills
from hedgeopt.orders.legs import policy_of
from hedgeopt.orders.plan import client_id
from hedgeopt.program.book_after import change_position, payer_of, post_cash
from hedgeopt.program.proposal import Proposal
from hedgeopt.verify.counted import policy_in_dollars, price_of_unit
from hedgeopt.verify.limits import checked_limits, known_limit
from hedgeopt.verify.sizes import trade_range

__all__ = ["CHECKED", "DIFFERENCES", "Reconciliation", "apply_fills", "fills_as_proposed"]

DIFFERENCES = ColumnKinds(
    account="text", instrument="text", state="text", proposed="number", filled="number", open="number", over="number",
    price="number", proposed_price="number", slippage_usd="number", fee_usd="number",
)  # fmt: skip
"""Columns of :attr:`Reconciliation.differences`: quantities are signed, positive was bought or sent."""
CHECKED = ColumnKinds(limit="text", value="number", bound="number", sense="text", unit="text", holds="truth")
"""Columns of :attr:`Reconciliation.limits`."""

_SAME, _ROUNDS = 1e-9, 60


@strict_class
@dataclass(frozen=True, eq=False)
class Reconciliation:
    """What the fills did.

    Attributes
    ----------
    book
        The book after them, in the form of the input.
    differences : DataFrame
        One row per trade or transfer of the proposal, and per fill of anything else: state (filled, partly filled, open,
        over-filled, wrong way, not proposed), quantities, average price, slippage against the proposal's price (USD,
        positive cost more) and fees (USD).
    limits : DataFrame
        Every limit of the policy at the new book, by the verifier's rules.
    notes
        Anything else that the reader should know.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    book: Book
    differences: Annotated[pd.DataFrame, DIFFERENCES]
    limits: Annotated[pd.DataFrame, CHECKED]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every limit holds at the new book."""
        return bool(self.limits["holds"].all())

    @property
    def complete(self) -> bool:
        """Whether exactly the proposal was filled."""
        return bool((self.differences["state"] == "filled").all())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the book."""
        odd: dict[str, str] = {}
        told = {name: to_plain(getattr(self, name), odd, name) for name in ("differences", "limits", "notes")}
        return {"complete": self.complete, "holds": self.holds, **told}

    def __repr__(self) -> str:
        """One line: states and limits."""
        states = self.differences["state"].value_counts()
        told = ", ".join(f"{count} {state}" for state, count in states.items()) or "nothing proposed"
        broken = int((~self.limits["holds"]).sum())
        limits = f"{many(broken, 'limit')} exceeded" if broken else "every limit holds"
        return f"Reconciliation({told}; {limits})"


@strict_call
def apply_fills(fills: Given, book: Book, proposal: Proposal, market: Market) -> Reconciliation:
    """Book fills of a proposal, and compare.

    Parameters
    ----------
    fills
        See :mod:`hedgeopt.orders.fills`.
    market
        Of now: marks that contracts settle to, prices of what fees are paid in, and the limits of the new book.

    Raises
    ------
    InputError
        One line: a fill of something that neither book nor market knows, of no known account, or that leaves a book that
        cannot be (an account that owes what nobody lends).
    """
    rows, notes = read_fills(fills)
    file = str(named(fills, "fills"))
    proposed = _proposed(proposal)
    data = book.model_dump(mode="json")
    accounts = {account["name"]: account for account in data["accounts"]}
    done: dict[tuple[str, str], list[_Booked]] = {}
    for fill in rows:
        account = _account(fill, proposal, proposed, accounts, file)
        paid = _Paid(book, market, accounts, file)
        booked = paid.transfer(fill, account) if fill.side == "send" else paid.trade(fill, account)
        done.setdefault((account, fill.instrument), []).append(booked)
    times = [fill.time for fill in rows if fill.time is not None]
    if book.timestamp is not None and times:
        data["timestamp"] = max(book.timestamp, *times).isoformat()
    after = validated(Book, data, file)
    differences = _differences(proposed, done, book, market)
    over = differences.loc[differences["state"].isin(("over-filled", "wrong way", "not proposed"))]
    notes += [f"{row.account}: {row.instrument} is {row.state} ({row.filled:+,.10g} against {row.proposed:+,.10g})"
              for row in over.itertuples()]  # fmt: skip
    limits, unknown = _limits(after, market, proposal)
    return Reconciliation(after, differences, limits, (*notes, *unknown))


@dataclass(frozen=True)
class _Booked:
    """A fill as booked: signed quantity, price, and USD of its fee."""

    quantity: float
    price: float
    fee_usd: float


@dataclass(frozen=True)
class _Paid:
    """Books fills into the accounts' JSON."""

    book: Book
    market: Market
    accounts: Mapping[str, dict[str, Any]]
    file: str

    def _refused(self, fill: ListedFill, problem: str, field: str, value: object, fix: str) -> InputError:
        return InputError(problem, file=self.file, field=f"{field}, row {fill.row}", value=value, fix=fix)

    def trade(self, fill: ListedFill, account: str) -> _Booked:
        """A purchase or sale: position, what it is paid with, fee."""
        item = _item(self.book, self.market, account, fill.instrument)
        if item is None:
            near = advice(fill.instrument, [one.name for one in self.market.instruments.values()])
            raise self._refused(fill, "is no instrument of the book or the market", "instrument", fill.instrument, near)
        if not item.nature.quoted:
            raise self._refused(fill, "is not traded at quotes", "instrument", fill.instrument, "change the book itself")
        signed = fill.sign * fill.quantity
        dollars = self.market.price(item.settlement)
        if item.nature.margined:
            mark = float(self.market.quoted("mark_price", [item.id])[0])
            if not mark > 0.0:
                raise self._refused(
                    fill, "has no mark in this market", "instrument", fill.instrument, "give a market with it"
                )
            cash = signed * family_of(item).variation(item, fill.price, mark, dollars)
        else:
            cash = -signed * fill.price / (dollars if item.nature.quote == "dollars" else 1.0)
        change_position(self.accounts[account], item.name, signed)
        self._pay(account, item.settlement, cash)
        return _Booked(signed, fill.price, self._fee(fill, account, item.settlement))

    def transfer(self, fill: ListedFill, account: str) -> _Booked:
        """What was sent: it left its source with the fee, and has arrived."""
        links = {link.transfer("x").name: link for link in self.book.links}
        link = links.get(fill.instrument)
        if link is None or link.source != account:
            raise self._refused(
                fill, "is no link of the book", "instrument", fill.instrument, advice(fill.instrument, links)
            )
        fee = max(link.cost_rate, 1e-6) * fill.quantity if fill.fee is None else fill.fee
        self._pay(account, link.asset, -fill.quantity)
        self._pay(link.target, link.asset, fill.quantity)
        paid_in = link.asset if fill.fee is None else fill.fee_asset or link.asset
        self._pay(account, paid_in, -fee)
        return _Booked(fill.quantity, float("nan"), fee * self._price(fill, paid_in))

    def _fee(self, fill: ListedFill, account: str, settlement: str) -> float:
        asset = fill.fee_asset or settlement
        if not fill.fee:
            return 0.0
        usd = fill.fee * self._price(fill, asset)
        self._pay(account, asset, -fill.fee)
        return usd

    def _price(self, fill: ListedFill, asset: str) -> float:
        try:
            return self.market.price(asset)
        except InputError:
            fix = f"give it with --price {asset}=USD"
            raise self._refused(fill, "has no price in this market", "fee_asset", asset, fix) from None

    def _pay(self, account: str, asset: str, amount: float) -> None:
        payer = payer_of(self.accounts[account], asset, self.market.price) if amount < 0 else asset
        rate = 1.0 if payer == asset else self.market.price(asset) / self.market.price(payer)
        post_cash(self.accounts[account], payer, [rate * amount])


def _item(book: Book, market: Market, account: str, name: str) -> Any:
    """The instrument of this name that the account holds or its venue quotes; None where there is none."""
    mine = next(one for one in book.accounts if one.name == account)
    held = next((p.instrument for p in mine.positions if p.name == name and not isinstance(p.instrument, str)), None)
    return held if held is not None else market.instruments.get(f"{mine.venue}:{name}")


def _proposed(proposal: Proposal) -> dict[tuple[str, str], tuple[float, float]]:
    """Signed quantity and price by account and instrument, of trades and transfers."""
    found = {}
    for row in proposal.trades.to_dict("records"):
        sign = 1.0 if row["side"] == "buy" else -1.0
        found[row["account"], row["instrument"]] = sign * row["quantity"], row["price"]
    for row in proposal.transfers.to_dict("records"):
        route = f" via {row['bridge']}" if row["bridge"] else ""
        found[row["source"], f"{row['source']} to {row['target']} {row['asset']}{route}"] = row["amount"], float("nan")
    return found


def _account(
    fill: ListedFill, proposal: Proposal, proposed: Mapping[tuple[str, str], Any], accounts: Mapping[str, Any], file: str
) -> str:
    """Whose fill it is: by its account, its client id, or as the only account that the proposal trades it in."""
    if fill.account is not None:
        if fill.account not in accounts:
            raise InputError("is no account of the book", file=file, field=f"account, row {fill.row}", value=fill.account,
                             fix=advice(fill.account, accounts))  # fmt: skip
        return fill.account
    mine = [account for account, name in proposed if name == fill.instrument]
    if fill.client_id is not None:
        told = fill.client_id.removeprefix("0x")
        mine = [account for account in mine if told in _ids(proposal, account, fill.instrument)] or mine
    if len(mine) != 1:
        problem = "is missing, and the proposal trades it in " + (", ".join(mine) or "no account")
        raise InputError(problem, file=file, field=f"account, row {fill.row}", value=fill.instrument,
                         fix="fill in the column account")  # fmt: skip
    return mine[0]


def _ids(proposal: Proposal, account: str, instrument: str) -> set[str]:
    """The client ids that a plan gives this leg, whole or in rounds."""
    digest = str(proposal.to_dict()["digest"])
    parts = [(r, rounds) for rounds in range(2, _ROUNDS + 1) for r in range(1, rounds + 1)]
    return {client_id(digest, account, instrument, *more) for more in [(), *parts]}


def _differences(
    proposed: Mapping[tuple[str, str], tuple[float, float]], done: Mapping[tuple[str, str], Sequence[_Booked]],
    book: Book, market: Market,
) -> pd.DataFrame:  # fmt: skip
    columns: dict[str, list[Any]] = {name: [] for name in DIFFERENCES}
    for key in dict.fromkeys([*proposed, *done]):
        wanted, price = proposed.get(key, (0.0, float("nan")))
        booked = done.get(key, ())
        filled = float(sum(one.quantity for one in booked))
        size = sum(abs(one.quantity) for one in booked)
        paid = sum(abs(one.quantity) * one.price for one in booked) / size if size else float("nan")
        left = wanted - filled
        rounding = _SAME * max(abs(wanted), size)
        open_, over = (left, 0.0) if left * wanted > 0 else (0.0, -left)
        item = _item(book, market, *key)
        slipped = sum(_slippage(item, market, price, one) for one in booked) if item is not None and key in proposed else 0.0
        row = {
            "account": key[0], "instrument": key[1], "state": _state(wanted, filled, rounding), "proposed": wanted,
            "filled": filled, "open": open_ if abs(open_) > rounding else 0.0, "over": over if abs(over) > rounding else 0.0,
            "price": paid, "proposed_price": price, "slippage_usd": slipped,
            "fee_usd": float(sum(one.fee_usd for one in booked)),
        }  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return DIFFERENCES.of(columns)


def _state(wanted: float, filled: float, rounding: float) -> str:
    if wanted == 0.0:
        return "not proposed"
    if abs(wanted - filled) <= rounding:
        return "filled"
    if abs(filled) <= rounding:
        return "open"
    if wanted * filled < 0.0:
        return "wrong way"
    return "partly filled" if abs(filled) < abs(wanted) else "over-filled"


def _slippage(item: Any, market: Market, price: float, one: _Booked) -> float:
    """USD that a fill cost more than at the proposal's price."""
    dollars = market.price(item.settlement)
    if item.nature.margined:
        return float(one.quantity * family_of(item).variation(item, price, one.price, dollars) * dollars)
    return float(one.quantity * (one.price - price) * (1.0 if item.nature.quote == "dollars" else dollars))


def _limits(book: Book, market: Market, proposal: Proposal) -> tuple[pd.DataFrame, list[str]]:
    """Every limit at the book as it is, and a note on those that the verifier has no formula of."""
    policy = policy_of(proposal)
    e = expose(book.model_copy(update={"timestamp": None}), market, policy, candidates=[], check_names=False)
    rules = policy_in_dollars(policy.model_dump(mode="json"), price_of_unit(e, policy.model_dump(mode="json")))
    own = [rule["kind"] for rule in rules["subject_to"] if not known_limit(rule)]
    rules = {**rules, "subject_to": [rule for rule in rules["subject_to"] if known_limit(rule)]}
    sides = checked_limits(rules, e, np.zeros(e.n_candidates), trade_range(rules, e), ())
    columns: dict[str, list[Any]] = {name: [] for name in CHECKED}
    for side in sides:
        if not side.asked(frozenset()):
            continue
        row = {"limit": side.name, "value": side.value, "bound": side.limit, "sense": "<=" if side.sign > 0 else ">=",
               "unit": side.unit, "holds": side.holds}  # fmt: skip
        for name, value in row.items():
            columns[name].append(value)
    return CHECKED.of(columns), [f"not checked: {kind} is your own, and the verifier has no formula of it" for kind in own]


@strict_call
def fills_as_proposed(proposal: Proposal, market: Market) -> pd.DataFrame:
    """The table of fills that a proposal counts with: what each trade pays or costs in all, and every transfer.

    Prices are those at which premium and cost are the proposal's: the quote, and above it (below, of sales) where the quote
    lies nearer to the mark than the middle, or where a ladder is walked.
    """
    rows: list[dict[str, Any]] = []
    venue_of = {margin.after.account: margin.after.venue for margin in proposal.margins}
    for row in proposal.trades.to_dict("records"):
        item = market.instrument(venue_of[row["account"]], row["instrument"])
        fee = row["fee"] / market.price(item.settlement)
        rows.append({**row, "price": _counted_price(row, item, market), "fee": fee, "fee_asset": item.settlement})
    for row in proposal.transfers.to_dict("records"):
        name = f"{row['source']} to {row['target']} {row['asset']}" + (f" via {row['bridge']}" if row["bridge"] else "")
        sent = {"account": row["source"], "instrument": name, "side": "send", "quantity": row["amount"], "price": None}
        rows.append({**sent, "fee": row["cost"] / market.price(row["asset"]), "fee_asset": row["asset"]})
    table = pd.DataFrame(
        [{"fill_id": f"fill-{k}", **row} for k, row in enumerate(rows, start=1)], columns=list(FILL_COLUMNS)
    )
    return table.drop(columns=["client_id", "time"])


def _counted_price(row: Mapping[str, Any], item: Any, market: Market) -> float:
    signed = row["quantity"] if row["side"] == "buy" else -row["quantity"]
    dollars, spread = market.price(item.settlement), row["cost"] - row["fee"]
    if not item.nature.margined:
        return float((row["premium"] + spread) / signed / (1.0 if item.nature.quote == "dollars" else dollars))
    mark = float(market.quoted("mark_price", [item.id])[0])
    if item.inverse and item.nature.payoff == "linear":
        return float(1.0 / (1.0 / mark - spread / (signed * dollars)))
    return float(mark + spread / signed)
