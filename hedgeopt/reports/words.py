"""A proposal in plain rows and sentences, shared by the terminal report and the page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hedgeopt.measures.risk import RiskReport
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS

if TYPE_CHECKING:
    from hedgeopt.measures.margin import AccountMargin, MarginState
    from hedgeopt.program.proposal import Proposal

__all__ = [
    "Headline",
    "LimitRow",
    "MarginRow",
    "RiskRow",
    "binding",
    "headline",
    "limit_rows",
    "made_from",
    "margin_rows",
    "number",
    "objective_rows",
    "quantity",
    "risk_rows",
    "share",
    "short_unit",
]

_SHOWN_GREEKS = ("delta", "gamma", "vega", "theta")


@dataclass(frozen=True)
class RiskRow:
    """One measure before and after trading, already formatted; ``group`` separates blocks of rows."""

    group: str
    measure: str
    unit: str
    before: str
    after: str


@dataclass(frozen=True)
class LimitRow:
    """One limit, formatted: ``breached`` before trading, ``binding`` after, with its shadow price in USD per unit."""

    name: str
    unit: str
    before: str
    after: str
    bound: str
    breached: bool
    binding: bool
    shadow_price: str

    @property
    def state(self) -> str:
        """``restored`` when it was breached and now holds, ``binding`` when it limits the answer."""
        return ", ".join(word for word, true in (("restored", self.breached), ("binding", self.binding)) if true)


@dataclass(frozen=True)
class Headline:
    """Four sentences: the trades, their cost, the proof, and the binding limits."""

    trades: str
    cost: str
    certificate: str
    binding: str


def number(value: float | None, digits: int = 4) -> str:
    """Thousands separated, as many decimals as ``digits`` significant ones need; a dash for nothing."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    elif size == 0:
        text = "0"
    elif size < 1e-4:
        text = f"{value:.{digits - 2}e}"
    else:
        text = f"{value:.{max(digits - 1 - math.floor(math.log10(size)), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "−", 1)


def share(value: float) -> str:
    """A proven share of something, such as a gap: never negative, and never finer than rounding is."""
    return "below 1e-12" if value < 1e-12 else f"{value:.1e}"


def headline(proposal: Proposal) -> Headline:
    """The four sentences."""
    count, costs, certificate = len(proposal.trades), proposal.costs, proposal.certificate
    buys = int((proposal.trades["side"] == "buy").sum())
    notional = float(proposal.trades["notional"].sum())
    if count:
        sides = " and ".join(_many(n, word) for n, word in ((buys, "buy"), (count - buys, "sell")) if n)
        trades = f"{_many(count, 'trade')}: {sides} over {number(notional)} USD of underlying."
    else:
        trades = "Nothing to trade: the book is best left as it is."
    cost = (
        f"{number(costs['transaction'])} USD to trade (half-spread {number(costs['half_spread'])}, "
        f"fees {number(costs['fees'])})."
    )
    if certificate.valid:
        proof = (
            f"Certified: every limit holds, and no trade list is better by more than "
            f"{max(certificate.gap, 1e-12):.2g} of the objective (tolerance {certificate.tolerance:.0e})."
        )
    else:
        proof = "NOT certified: do not trade on this."
    names = binding(proposal)
    return Headline(trades, cost, proof, f"Binding: {', '.join(names)}." if names else "No limit is binding.")


def binding(proposal: Proposal) -> list[str]:
    """Names of the limits that bind, then of the size limits, with the number of instruments at each."""
    names = [str(row.name) for row in limit_rows(proposal) if row.binding]
    return names + [f"{name} ({_many(len(at), 'instrument')})" for name, at in proposal.binding_sizes.items()]


def risk_rows(before: RiskReport, after: RiskReport | None = None) -> list[RiskRow]:
    """The book's measures in the order they are read: Greeks, tail, stress, leverage, margin."""
    after = after or before
    rows: list[RiskRow] = []
    for asset, greeks in before.greeks.items():
        if asset in dollar_assets():
            continue
        if is_peg(asset):
            rows.append(
                RiskRow("Pegs", f"{asset} peg", "USD at stake", *(number(r.greeks[asset]["delta"]) for r in (before, after)))
            )
            continue
        for name in _SHOWN_GREEKS:
            values = number(greeks[name]), number(after.greeks[asset][name])
            rows.append(RiskRow(f"{asset} Greeks", f"{asset} {name}", short_unit(GREEK_UNITS[name], asset), *values))
    for level in before.cvar:
        percent = f"{100 * float(level):g} %"
        for what, value in (("VaR", before.value_at_risk[level]), ("CVaR", before.cvar[level])):
            then = after.value_at_risk[level] if what == "VaR" else after.cvar[level]
            rows.append(RiskRow("Tail", f"{what} {percent}", "USD loss", number(value), number(then)))
    (worst, loss), (worst_after, loss_after) = before.worst_stress, after.worst_stress
    name = worst if worst == worst_after else f"{worst} → {worst_after}"
    rows.append(RiskRow("Stress", f"worst stress ({name})", "USD P&L", number(loss), number(loss_after)))
    rows.append(
        RiskRow("Capital", "gross leverage", "× equity", number(before.gross_leverage), number(after.gross_leverage))
    )
    for one, two in zip(before.accounts, after.accounts, strict=True):
        label = "initial margin" if len(before.accounts) == 1 else f"initial margin {one.name}"
        rows.append(RiskRow("Capital", label, "USD", number(one.initial_margin), number(two.initial_margin)))
        values = number(100 * one.utilisation), number(100 * two.utilisation)
        rows.append(RiskRow("Capital", label + " of equity", "%", *values))
    rows.append(RiskRow("Capital", "equity", "USD", number(before.equity), number(after.equity)))
    rows.append(RiskRow("Capital", "carry over the horizon", "USD", number(before.carry), number(after.carry)))
    return rows


def limit_rows(proposal: Proposal) -> list[LimitRow]:
    """One row per limit, both sides of a band together; a shadow price is shown where the limit binds."""
    rows: list[LimitRow] = []
    sides = proposal.limits.to_dict(orient="records")
    at = 0
    while at < len(sides):
        name = sides[at]["limit"].removesuffix(" lower")
        band = at + 1 < len(sides) and name != sides[at]["limit"] and sides[at + 1]["limit"] == f"{name} upper"
        rows.append(_limit_row(name, sides[at : at + 2] if band else sides[at : at + 1]))
        at += 2 if band else 1
    return rows


def _limit_row(name: str, sides: list[dict[str, Any]]) -> LimitRow:
    first = sides[0]
    if len(sides) == 2:
        bound = f"{number(sides[0]['bound'])} … {number(sides[1]['bound'])}"
    else:
        bound = f"{'≤' if first['sense'] == '<=' else '≥'} {number(first['bound'])}"
    held_by = [side for side in sides if side["binding"]]
    return LimitRow(
        name=name,
        unit=short_unit(first["unit"]),
        before=number(first["before"]),
        after=number(first["after"]),
        bound=bound,
        breached=any(side["breached_before"] for side in sides),
        binding=bool(held_by),
        shadow_price=number(held_by[0]["shadow_price"]) if held_by and held_by[0]["shadow_price"] > 0 else "",
    )


def objective_rows(proposal: Proposal) -> list[tuple[str, str, str, str, str]]:
    """Term, weight, unit, before, after."""
    return [
        (row["term"], f"{row['weight']:g}", row["unit"], number(row["before"]), number(row["after"]))
        for row in proposal.objective.to_dict(orient="records")
    ]


def made_from(proposal: Proposal) -> list[tuple[str, str]]:
    """Inputs, scenarios, seed and versions of the answer, name and text; ``not recorded`` where an older file lacks them."""
    unknown = "not recorded"
    inputs, by = proposal.inputs or {}, proposal.versions
    rows = [(name, inputs.get(name, unknown)) for name in ("book", "market", "policy")]
    rows += [(name, digest) for name, digest in inputs.items() if name.startswith("table ")]
    rows.append(("scenarios", proposal.scenario_digest or unknown))
    rows.append(("seed", unknown if proposal.seed is None else str(proposal.seed)))
    rows.append(("computed by", unknown if by is None else ", ".join(f"{name} {version}" for name, version in by.items())))
    return rows


def short_unit(unit: str, asset: str = "coin") -> str:
    """A unit as table cells write it."""
    for long, short in (("coin", asset), (" per ", "/"), ("vol point", "vol pt"), ("times ", "× "), ("share of", "of")):
        unit = unit.replace(long, short)
    return unit


def quantity(amount: float, unit: str) -> str:
    """An amount with its unit; a contract is ``ct``."""
    return f"{number(amount)} {'ct' if unit == 'contract' else unit}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@dataclass(frozen=True)
class MarginRow:
    """One account before and after, as text: margin used, room over maintenance now and in the worst stress, liquidation.

    ``stresses`` has each scenario's name, room before and after in it, and whether maintenance is covered after.
    """

    account: str
    used: tuple[str, str]
    room: tuple[str, str]
    worst: tuple[str, str]
    liquidated: tuple[str, str]
    stresses: tuple[tuple[str, str, str, bool], ...]


def margin_rows(proposal: Proposal) -> list[MarginRow]:
    """Margin per account before → after → after each stress, USD; distance to liquidation as a move of the market."""
    rows = []
    for before, after in proposal.margins:
        states = (before, after)
        rows.append(
            MarginRow(
                account=f"{after.venue}/{after.account}",
                used=_pair(states, _used),
                room=_pair(states, _room),
                worst=_pair(states, _worst),
                liquidated=_pair(states, _liquidated),
                stresses=tuple(
                    (now.scenario, _left(was), _left(now), now.covered)
                    for was, now in zip(before.stresses, after.stresses, strict=True)
                ),
            )
        )
    return rows


def _pair(states: tuple[AccountMargin, AccountMargin], what: Callable[[AccountMargin], str]) -> tuple[str, str]:
    return what(states[0]), what(states[1])


def _used(item: AccountMargin) -> str:
    return "–" if item.now.utilisation is None else f"{item.now.utilisation:.0%}"


def _room(item: AccountMargin) -> str:
    return _left(item.now)


def _left(state: MarginState) -> str:
    return number(state.equity - state.maintenance)


def _worst(item: AccountMargin) -> str:
    return f"{_left(item.worst)} ({item.worst.scenario})"


def _liquidated(item: AccountMargin) -> str:
    moves = [f"{move:+.0%}".replace("-", "−") for move in (item.liquidation_down, item.liquidation_up) if move is not None]
    return " ".join(moves) or "never"
