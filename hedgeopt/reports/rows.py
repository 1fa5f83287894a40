"""A proposal's tables in plain rows of text, shared by the terminal report and the page."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hedgeopt.files.counted import many
from hedgeopt.measures.margin import margin_in_units
from hedgeopt.measures.risk import RiskReport
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.numeraire import counted_in
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.reports.words import number, per_cent, short_unit

if TYPE_CHECKING:
    from hedgeopt.measures.margin import AccountMargin, MarginState
    from hedgeopt.program.proposal import Proposal

__all__ = [
    "LimitRow",
    "MarginRow",
    "RiskRow",
    "binding",
    "limit_rows",
    "made_from",
    "margin_rows",
    "moves",
    "objective_rows",
    "risk_rows",
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
    """One limit, formatted: ``breached`` before trading, ``binding`` after, with its shadow price, objective per unit."""

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


def risk_rows(before: RiskReport, after: RiskReport | None = None) -> list[RiskRow]:
    """The book's measures in the order they are read: Greeks, tail, stress, leverage, margin."""
    after, unit = after or before, before.unit
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
            rows.append(
                RiskRow(
                    f"{asset} Greeks", f"{asset} {name}", short_unit(counted_in(GREEK_UNITS[name], unit), asset), *values
                )
            )
    for level in before.cvar:
        percent = f"{100 * float(level):g} %"
        for what, value in (("VaR", before.value_at_risk[level]), ("CVaR", before.cvar[level])):
            then = after.value_at_risk[level] if what == "VaR" else after.cvar[level]
            rows.append(RiskRow("Tail", f"{what} {percent}", f"{unit} loss", number(value), number(then)))
    (worst, loss), (worst_after, loss_after) = before.worst_stress, after.worst_stress
    name = worst if worst == worst_after else f"{worst} → {worst_after}"
    rows.append(RiskRow("Stress", f"worst stress ({name})", f"{unit} P&L", number(loss), number(loss_after)))
    rows.append(
        RiskRow("Capital", "gross leverage", "× equity", number(before.gross_leverage), number(after.gross_leverage))
    )
    for one, two in zip(before.accounts, after.accounts, strict=True):
        label = "initial margin" if len(before.accounts) == 1 else f"initial margin {one.name}"
        rows.append(RiskRow("Capital", label, unit, number(one.initial_margin), number(two.initial_margin)))
        values = number(100 * one.utilisation), number(100 * two.utilisation)
        rows.append(RiskRow("Capital", label + " of equity", "%", *values))
    rows.append(RiskRow("Capital", "equity", unit, number(before.equity), number(after.equity)))
    rows.append(RiskRow("Capital", "carry received over the horizon", unit, number(before.carry), number(after.carry)))
    return rows


def limit_rows(proposal: Proposal) -> list[LimitRow]:
    """One row per limit, both sides of a band together; a shadow price is shown where the limit binds.

    A limit on margin or leverage shows the number that the venue would show, as every other table does, against the bound
    that holds after trading costs and transfers.
    """
    rows: list[LimitRow] = []
    sides = proposal.limits.to_dict(orient="records")
    shown = _shown_by_venues(proposal)
    at = 0
    while at < len(sides):
        name = sides[at]["limit"].removesuffix(" lower")
        band = at + 1 < len(sides) and name != sides[at]["limit"] and sides[at + 1]["limit"] == f"{name} upper"
        both = [
            _as_shown(side, shown.get(name), proposal.unit) for side in (sides[at : at + 2] if band else sides[at : at + 1])
        ]
        rows.append(_limit_row(name, both))
        at += 2 if band else 1
    return rows


def _shown_by_venues(proposal: Proposal) -> dict[str, tuple[float | None, float | None]]:
    """By limit, the numbers before and after that other tables give under the same name."""
    before, after = proposal.before, proposal.after
    found: dict[str, tuple[float | None, float | None]] = {"gross leverage": (before.gross_leverage, after.gross_leverage)}
    for one, two in zip(before.accounts, after.accounts, strict=True):
        found[f"initial margin {one.name}"] = one.initial_margin, two.initial_margin
        found[f"maintenance margin {one.name}"] = one.maintenance_margin, two.maintenance_margin
    for pair in proposal.margins:
        for was, now in zip(pair.before.stresses, pair.after.stresses, strict=True):
            shown = was.maintenance / before.unit_price, now.maintenance / before.unit_price
            found[f"survive {now.scenario} {pair.after.account}"] = shown
    return found


def _as_shown(side: dict[str, Any], shown: tuple[float | None, float | None] | None, money: str) -> dict[str, Any]:
    """A side with the venue's numbers and the bound moved alike; untouched where they are not the same measure."""
    if shown is None or shown[0] is None or shown[1] is None or not math.isclose(shown[0], side["before"], rel_tol=1e-9):
        return side
    after = shown[1]
    if side["unit"] == money:
        bound = side["bound"] + after - side["after"]
    else:  # over equity, which pays the costs
        bound = side["bound"] * after / side["after"] if side["after"] else side["bound"]
    return {**side, "after": after, "bound": bound}


def _limit_row(name: str, sides: list[dict[str, Any]]) -> LimitRow:
    first = sides[0]
    if len(sides) == 2:
        bound = f"{number(sides[0]['bound'])} … {number(sides[1]['bound'])}"
    else:
        bound = f"{'≤' if first['sense'] == '<=' else '≥'} {number(first['bound'])}"
    held_by = [side for side in sides if side["binding"]]
    return LimitRow(
        name=_told(name),
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
        (_told(row["term"]), f"{row['weight']:g}", row["unit"], number(row["before"]), number(row["after"]))
        for row in proposal.objective.to_dict(orient="records")
    ]


def _told(term: str) -> str:
    """A term as tables name it: the objective and limits count carry as a cost, the book's table as money received."""
    return "carry, as a cost" if term == "carry" else term


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


def binding(proposal: Proposal) -> list[str]:
    """Names of the limits that bind, then of the size limits, with the number of instruments at each."""
    names = [str(row.name) for row in limit_rows(proposal) if row.binding]
    return names + [f"{name} ({many(len(at), 'instrument')})" for name, at in proposal.binding_sizes.items()]


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
    """Margin per account before → after → after each stress, in the proposal's unit; liquidation as a move of the market."""
    rows, price = [], proposal.after.unit_price
    for pair in proposal.margins:
        before, after = (margin_in_units(one, price) for one in pair)
        states = (before, after)
        rows.append(
            MarginRow(
                account=f"{after.venue}/{after.account}",
                used=_pair(states, _used),
                room=_pair(states, _room),
                worst=_pair(states, _worst),
                liquidated=_pair(states, _liquidated),
                stresses=tuple(
                    (now.scenario, _left(was), _left(now), now.covered or now.unknown)
                    for was, now in zip(before.stresses, after.stresses, strict=True)
                ),
            )
        )
    return rows


def _pair(states: tuple[AccountMargin, AccountMargin], what: Callable[[AccountMargin], str]) -> tuple[str, str]:
    return what(states[0]), what(states[1])


def _used(item: AccountMargin) -> str:
    return per_cent(item.now.utilisation)


def _room(item: AccountMargin) -> str:
    return _left(item.now)


def _left(state: MarginState) -> str:
    if state.unknown:
        return "unknown"
    left = state.left
    return number(0.0 if abs(left) < 1e-9 * max(abs(state.equity), state.maintenance) else left)  # rounding is no room


def _worst(item: AccountMargin) -> str:
    return f"{_left(item.worst)} ({item.worst.scenario})"


def _liquidated(item: AccountMargin) -> str:
    return moves(item.liquidation_down, item.liquidation_up)


def moves(down: float | None, up: float | None) -> str:
    """Moves at which an account is liquidated, such as ``−34 % +46 %``; ``now`` when it is not covered as it is.

    ``unknown`` for NaN.
    """
    if any(move is not None and math.isnan(move) for move in (down, up)):
        return "unknown"
    if down == 0.0 or up == 0.0:
        return "now"
    found = [f"{100 * move:+.{0 if abs(move) >= 0.1 else 1}f} %" for move in (down, up) if move is not None]
    return " ".join(found).replace("-", "−") or "never"
