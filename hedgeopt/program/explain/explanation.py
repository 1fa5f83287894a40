"""A proposal explained: what its limits cost, why each trade is there, and at most ten lines that say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import html_card, html_table, plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.program.explain.case import Case, case_of
from hedgeopt.program.explain.prices import limit_prices, price_line
from hedgeopt.program.explain.why import trade_line, why_trades
from hedgeopt.program.explain.why_not import WhyNot
from hedgeopt.program.explain.why_not import why_not as asked
from hedgeopt.program.proposal import Proposal

__all__ = ["Explanation", "explain"]


@strict_class
@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a proposal is what it is; money in ``unit``.

    Attributes
    ----------
    limits : DataFrame
        What each limit costs; see :func:`hedgeopt.program.explain.prices.limit_prices`.
    trades : DataFrame
        Why each trade; see :func:`hedgeopt.program.explain.why.why_trades`.
    not_traded
        Answers on the instruments that were asked about.
    objective, ideal
        Objective of the list, and of the trades of any size to which shadow prices belong.
    whole
        Whether the list is in whole lots.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    limits: pd.DataFrame
    trades: pd.DataFrame = field(repr=False)
    not_traded: tuple[WhyNot, ...]
    objective: float
    ideal: float
    whole: bool
    unit: str = "USD"

    def summary(self) -> list[str]:
        """At most ten lines, the answers that were asked for among them."""
        lots = f"; whole lots cost {plain_number(self.objective - self.ideal)} of it" if self.whole else ""
        closing = int(self.trades["closes"].sum())
        lines = [
            f"{many(len(self.trades), 'trade')}, objective {plain_number(self.objective)} {self.unit}{lots}"
            + (f"; {many(closing, 'trade')} {'closes a position' if closing == 1 else 'close positions'}" if closing else "")
        ]
        asked_for = [one.sentence for one in self.not_traded][:4]
        room = 10 - len(lines) - len(asked_for)
        prices = [price_line(row, self.unit, self.whole) for row in self.limits.head(4).to_dict("records")]
        lines += prices[: max(room - 3, 1)] or ["no limit costs anything: none of them binds"]
        for row in self.trades.head(10 - len(lines) - len(asked_for)).to_dict("records"):
            lines.append(trade_line(row, self.unit))
        ties = self.trades[self.trades["tie"] == True]  # noqa: E712  (a column of objects)
        if len(ties) and len(lines) + len(asked_for) == 10:
            lines[-1] = f"near-ties, for which others do nearly as well: {', '.join(ties['instrument'].head(6))}" + (
                f" and {len(ties) - 6} more" if len(ties) > 6 else ""
            )
        return [*lines, *asked_for][:10]

    def sentences(self) -> list[str]:
        """All of it, a line for each limit, trade and question."""
        return [
            *(price_line(row, self.unit, self.whole) for row in self.limits.to_dict("records")),
            *(trade_line(row, self.unit) for row in self.trades.to_dict("records")),
            *(one.sentence for one in self.not_traded),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "summary": self.summary(),
            "objective": self.objective,
            "ideal": self.ideal,
            "unit": self.unit,
            "limits": self.limits.to_dict("records"),
            "trades": self.trades.to_dict("records"),
            "not_traded": [one.to_dict() for one in self.not_traded],
        }

    def __repr__(self) -> str:
        return f"Explanation({many(len(self.limits), 'limit')} with a price, {many(len(self.trades), 'trade')})"

    def _repr_html_(self) -> str:
        prices = self.limits[["limit", "bound", "unit", "relaxed_to", "saves", "valid_from", "valid_to"]]
        trades = self.trades[["side", "quantity", "instrument", "cost", "removal", "removal_in_lots", "instead"]]
        return html_card(
            repr(self), self.summary(),
            html_table("Limits", tuple(prices.columns), prices.to_numpy(dtype=object).tolist()),
            html_table("Trades", tuple(trades.columns), trades.to_numpy(dtype=object).tolist()),
        )  # fmt: skip


@strict_call
def explain(
    proposal: Proposal,
    *,
    book: Book | None = None,
    market: Market | None = None,
    why_not: Sequence[str] = (),
    share: float = 0.1,
    lots: bool = True,
) -> Explanation:
    """Explain a proposal; everything it says was solved again.

    Parameters
    ----------
    book, market
        Inputs of a stored proposal; those of one solved in this process are known.
    why_not
        Instruments of which to say why they are not traded.
    share
        By how much limits are relaxed and tightened: 0.1 is ten per cent.
    lots
        Solve removals and relaxed limits in whole lots, too, where the policy asks for these.

    Raises
    ------
    InputError
    """
    if not 0.0 < share < 1.0:
        raise InputError("is no share", field="explain: share", value=share, fix="give one between 0 and 1: 0.1 is 10 %")
    case = case_of(proposal, book, market)
    names = [why_not] if isinstance(why_not, str) else why_not
    return explained(case, proposal, names, share, lots)


def explained(case: Case, proposal: Proposal, names: Iterable[str], share: float, lots: bool) -> Explanation:
    """The explanation of a case."""
    answers = tuple(asked(case, name) for name in names)
    whole = case.policy.whole
    ideal = proposal.certificate.ideal_objective if whole else proposal.certificate.objective
    return Explanation(
        limits=limit_prices(case, share=share, lots=lots), trades=why_trades(case, lots=lots), not_traded=answers,
        objective=proposal.certificate.objective,
        ideal=float(ideal) if ideal is not None else case.told(case.ideal.objective), whole=whole, unit=proposal.unit,
    )  # fmt: skip
