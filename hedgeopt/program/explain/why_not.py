"""Why an instrument is not traded: the rule that leaves it out, or what a unit of it would cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import CertificateError, HedgeoptError, InfeasibleError, InputError
from hedgeopt.exposures.expose import expose, holdings_of
from hedgeopt.files.notebook import plain_number
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import trade_box
from hedgeopt.program.explain.case import Case, forced
from hedgeopt.program.explain.screened import why_screened
from hedgeopt.program.lots.steps import lots_of, smallest_orders

__all__ = ["WhyNot", "why_not"]


@dataclass(frozen=True)
class WhyNot:
    """Why an instrument is not in the list.

    Attributes
    ----------
    name, account
        account: where it was asked; the one with the least cost of several.
    screened
        The rule that leaves it out, in words; empty of a candidate.
    traded
        Signed quantity in the list; then the question has another answer.
    size
        What was forced: the smallest order, or one lot.
    reduced_buy, reduced_sell
        By the shadow prices of the ideal trades, what the objective rises by per unit bought and sold: at least 0 of what
        is not traded. NaN where that side is closed.
    forced_buy, forced_sell
        What the optimum of the ideal trades rises by with at least ``size`` bought and sold, solved again. Infinite: no
        trades meet every limit then; NaN: that side is closed.
    allowed
        What the best ideal list saves once the rules let it pass, solved again (of what is screened out); else NaN.
    allowed_trade
        What that list would trade of it.
    unit
        Of money.
    unproven
        Why what was forced has no answer, where a solve gave none.
    """

    name: str
    account: str = ""
    screened: str = ""
    traded: float = 0.0
    size: float = float("nan")
    reduced_buy: float = float("nan")
    reduced_sell: float = float("nan")
    forced_buy: float = float("nan")
    forced_sell: float = float("nan")
    allowed: float = float("nan")
    allowed_trade: float = 0.0
    unit: str = "USD"
    unproven: str = ""

    @property
    def sentence(self) -> str:
        """The answer in words."""
        if self.traded:
            word = "buys" if self.traded > 0 else "sells"
            return f"{self.name} is in the list: it {word} {plain_number(abs(self.traded))}"
        if self.screened:
            if np.isnan(self.allowed):
                return self.screened
            gain = (
                f"were it a candidate, the best list would save {plain_number(self.allowed)} {self.unit} with "
                f"{plain_number(self.allowed_trade)} of it"
                if self.allowed_trade
                else "were it a candidate, the best list would not trade it either"
            )
            return f"{self.screened}; {gain}"
        parts = [
            self._side("buy", self.reduced_buy, self.forced_buy),
            self._side("sell", self.reduced_sell, self.forced_sell),
        ]
        return f"{self.name} is a candidate, and does not pay: {'; '.join(parts)}"

    def _side(self, side: str, reduced: float, forced: float) -> str:
        if np.isnan(forced) and self.unproven:
            return f"what {side}ing it costs is not known: {self.unproven}"[:200]
        if np.isnan(forced):
            return f"{side}ing it is closed (no quote, or a size limit)"
        if np.isinf(forced):
            return f"to {side} {plain_number(self.size)} leaves no list that meets every limit"
        return (
            f"to {side} {plain_number(self.size)} would cost {plain_number(forced)} {self.unit} more, solved again "
            f"({plain_number(reduced)} per unit at the margin)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "sentence": self.sentence}


def why_not(case: Case, name: str) -> WhyNot:
    """Why ``name`` is not traded.

    Raises
    ------
    InputError
        Of a name that the market does not list, with the nearest one.
    """
    unit = "USD" if case.e.numeraire is None else case.e.numeraire.asset
    places = case.places(name)
    if not places:
        return _screened(case, name, unit)
    traded = float(case.x[places].sum())
    if case.x[places].any():
        return WhyNot(name, traded=traded, unit=unit)
    found = [_candidate(case, i, unit) for i in places]
    return min(found, key=lambda one: np.nanmin([one.forced_buy, one.forced_sell, np.inf]))


def _screened(case: Case, name: str, unit: str) -> WhyNot:
    said = why_screened(holdings_of(case.book, case.market, case.policy), case.policy, name)
    try:
        e = expose(case.book, case.market, case.policy, also=[name])
        found = case.answer(e=e, lots="none")
    except HedgeoptError:
        return WhyNot(name, screened=said, unit=unit)
    at = [i for i, row in enumerate(e.candidate.tolist()) if e.rows.instruments[row].name == name]
    quantity = float(found.x[at].sum()) if at else 0.0
    return WhyNot(
        name, screened=said, allowed=case.told(case.ideal.objective - found.objective), allowed_trade=quantity, unit=unit
    )


def _candidate(case: Case, i: int, unit: str) -> WhyNot:
    e = case.e
    lot = float(lots_of(e)[i])
    size = max(lot if np.isfinite(lot) else 0.0, float(smallest_orders(e, case.policy)[i]))
    if size <= 0.0:
        size = 1e-3 * float(trade_box(case.policy, e).upper[i] or 1.0)
    buy, sell = reduced_costs(case, i)
    bought, sold = _forced(case, i, size), _forced(case, i, -size)
    if case.ideal.x[i]:
        idea = f"the ideal trades have {plain_number(float(case.ideal.x[i]))} of it, which whole lots leave out"
        return WhyNot(case.name(i), screened=f"{case.name(i)} is a candidate: {idea}", unit=unit)
    return WhyNot(
        case.name(i), account=e.accounts[e.rows.account[e.candidate[i]]], size=size,
        reduced_buy=case.told(buy), reduced_sell=case.told(sell),
        forced_buy=bought[0], forced_sell=sold[0], unit=unit, unproven=bought[1] or sold[1],
    )  # fmt: skip


def reduced_costs(case: Case, i: int) -> tuple[float, float]:
    """Slopes of the Lagrangian of the ideal trades at nothing, per unit bought and sold."""
    case.answer(lots="none")  # puts the shadow prices in place
    program = case.program(case.policy, case.e)
    solution = case.ideal.solution
    found: Separable = program.lagrangian(case.e, solution.trades, dict(solution.tails))
    up = down = float(found.slope[i])
    if found.weights is not None and found.kinks is not None:
        up += float(found.weights[:, i][found.kinks[:, i] <= 0.0].sum())
        down += float(found.weights[:, i][found.kinks[:, i] < 0.0].sum())
    return up, -down


def _forced(case: Case, i: int, amount: float) -> tuple[float, str]:
    """What it costs, and why that is not known."""
    box = trade_box(case.policy, case.e)
    room = box.upper[i] if amount > 0 else -box.lower[i]
    if not room >= abs(amount) * (1.0 - 1e-9):
        return float("nan"), ""
    e: Exposures = forced(case.e, i, amount)
    try:
        return case.told(case.answer(e=e, lots="none").objective - case.ideal.objective), ""
    except InfeasibleError:
        return float("inf"), ""
    except (CertificateError, InputError) as error:
        return float("nan"), str(error)
