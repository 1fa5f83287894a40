"""What each limit costs: money saved by relaxing it, solved again, with the range in which its shadow price holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import CertificateError, HedgeoptError, InfeasibleError, InputError
from hedgeopt.files.notebook import plain_number
from hedgeopt.program.explain.case import Case, SolvedAgain
from hedgeopt.program.explain.knobs import Knob, knobs_of, with_knob
from hedgeopt.program.explain.pieces import StraightPart, piece_beside
from hedgeopt.program.explain.slopes import slope_of

__all__ = ["COLUMNS", "limit_prices", "price_line"]

COLUMNS = (
    "limit", "bound", "unit", "price", "price_low", "price_high", "valid_from", "valid_to", "relaxed_to", "saves",
    "saves_in_lots", "tightened_to", "costs", "degenerate",
)  # fmt: skip
_SHARE = 0.1
_PIECE = 1e-10


def limit_prices(
    case: Case, *, share: float = _SHARE, limits: Iterable[str] | None = None, lots: bool = True
) -> pd.DataFrame:
    """A row per number of the policy whose move would change the optimum.

    ``price`` is the money saved per unit the limit is relaxed, between ``price_low`` (relaxing) and ``price_high``
    (tightening saves that much less); they differ where the dual is degenerate. From ``valid_from`` to ``valid_to`` the
    optimum of the ideal trades is a straight line of the bound; nothing is asked beyond twice the share. ``saves``
    and ``costs`` are of the ideal trades, solved again with the limit relaxed and tightened by ``share``; ``saves_in_lots``
    is the same of lists in whole lots. Infinite ``costs``: then no trades meet every limit.
    """
    base, rows = case.ideal, []
    wanted = None if limits is None else set(limits)
    for knob in knobs_of(case.policy):
        if (
            (wanted is not None and knob.name not in wanted)
            or knob.field == "most"
            or (knob.field == "usd" and knob.sign < 0)
        ):
            continue
        slope = slope_of(case, case.policy, knob, base)
        unit = max(abs(knob.value), 1e-300)
        if not abs(slope) * unit > 1e-9 * max(abs(base.objective), 1e-9) and not _at_bound(case, knob):
            continue
        rows.append(_row(case, knob, slope, share, lots))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values("saves", ascending=False, ignore_index=True)


def value_at(case: Case, knob: Knob, b: float) -> tuple[float, float] | None:
    """Optimum of the ideal trades with the number at ``b``, and its slope; None where nothing meets every limit."""
    if b > knob.ceiling:
        return None
    try:
        policy = with_knob(case.policy, knob, b)
    except InputError:  # a number that the rule itself refuses
        return None
    try:
        answer = case.answer(policy, lots="none")
    except InfeasibleError:
        return None
    return answer.objective, slope_of(case, policy, replace(knob, value=b), answer)


def _row(case: Case, knob: Knob, slope: float, share: float, lots: bool) -> dict[str, object]:
    base = case.ideal
    size = abs(knob.value) or _typical(case, knob)
    step = knob.sign * share * size
    tolerance = _PIECE * max(abs(base.objective), 1e-6) + 1e-9
    known: dict[float, tuple[float, float] | None] = {}
    unproven: set[float] = set()

    def value(b: float) -> tuple[float, float] | None:
        if b not in known:
            try:
                known[b] = value_at(case, knob, b)
            except CertificateError:  # nothing is known there: neither a value nor that there is none
                unproven.add(b)
                known[b] = None
        return known[b]

    here = base.objective, slope
    sides: dict[int, StraightPart] = {}
    for way in (1, -1):
        far = knob.value + way * 2.0 * step
        far = min(far, knob.ceiling) if knob.sign > 0 else far
        if far == knob.value:
            sides[way] = StraightPart(knob.value, float("nan"), knob.value, wall=True)
            continue
        if _positive(knob) and far <= 0.0:
            far = 0.5 * knob.value
        sides[way] = piece_beside(value, knob.value, here, far, tolerance)
    relaxed, tightened = min(knob.value + step, knob.ceiling) if knob.sign > 0 else knob.value + step, knob.value - step
    low, high = -knob.sign * sides[1].slope, -knob.sign * sides[-1].slope
    low, high = (high if np.isnan(low) else low), (low if np.isnan(high) else high)
    ends = [p.end for p in (sides[1], sides[-1])]
    got, lost = value(relaxed), value(tightened)
    saved = np.nan if got is None else base.objective - got[0]
    return {
        "limit": knob.name,
        "bound": knob.value,
        "unit": knob.unit,
        "price": case.told(min(max(-knob.sign * slope, low), high)),
        "price_low": case.told(low),
        "price_high": case.told(high),
        "valid_from": min(ends),
        "valid_to": max(ends),
        "relaxed_to": relaxed,
        "saves": case.told(saved),
        "saves_in_lots": case.told(_in_lots(case, knob, relaxed)) if lots else np.nan,
        "tightened_to": tightened,
        "costs": case.told(lost[0] - base.objective) if lost else np.nan if _unknown(knob, tightened, unproven) else np.inf,
        "degenerate": bool(high - low > 1e-4 * max(abs(high), 1e-300)),
    }


def _in_lots(case: Case, knob: Knob, relaxed: float) -> float:
    if not case.policy.whole:
        return float("nan")
    try:
        # the list that there is holds the relaxed limit, too: a search that finds a worse one saves nothing
        return max(case.listed.objective - case.answer(with_knob(case.policy, knob, relaxed)).objective, 0.0)
    except HedgeoptError:
        return float("nan")


def _positive(knob: Knob) -> bool:
    return knob.field not in ("lower", "upper", "amount")


def _typical(case: Case, knob: Knob) -> float:
    """A size for limits at nothing: the value before trading, else 1."""
    sides = case.program(case.policy, case.e).sides(case.e, np.zeros(case.e.n_candidates))
    return next((abs(s.value) for s in sides if s.name == knob.name and s.value), 1.0)


def _at_bound(case: Case, knob: Knob) -> bool:
    """Whether the ideal trades are at the limit, though it has no price: then the price may be an interval."""
    answer: SolvedAgain = case.ideal
    step = knob.sign * 1e-3 * (abs(knob.value) or 1.0)
    if knob.value + step > knob.ceiling or knob.index < 0:
        return False
    shifted = case.program(with_knob(case.policy, knob, knob.value + step), case.e).sides(case.e, answer.x)
    for side, other in zip(answer.solution.sides, shifted, strict=True):
        room = 1e-9 * max(abs(side.limit), side.size)
        if abs(side.violation) <= room and abs(other.violation - side.violation) > room:
            return True
    return False


def _unknown(knob: Knob, b: float, unproven: set[float]) -> bool:
    """Whether nothing is known of a tightened limit: its rule refuses the number, or no solve gave an answer."""
    return b in unproven or (_positive(knob) and b <= 0.0)


def price_line(row: Mapping[Any, Any], unit: str, whole: bool) -> str:
    """One sentence for a row of :func:`limit_prices`."""
    relaxed = _share(row["relaxed_to"], row["bound"])
    lots = (
        f" ({plain_number(row['saves_in_lots'])} in whole lots)"
        if whole and row["saves_in_lots"] == row["saves_in_lots"]
        else ""
    )
    said = (
        f"{row['limit']}: relaxing it{relaxed} to {plain_number(row['relaxed_to'])} saves "
        f"{plain_number(row['saves'])} {unit}{lots}"
    )
    price = f"{plain_number(row['price'])} {unit} per unit"
    if row["degenerate"]:
        price = f"{plain_number(row['price_low'])} to {plain_number(row['price_high'])} {unit} per unit"
    start, end = float(str(row["valid_from"])), float(str(row["valid_to"]))
    if row["saves"] != row["saves"]:
        said = f"{row['limit']}: relaxed to {plain_number(row['relaxed_to'])} it was not solved to a proof"
    return f"{said}; at the margin {price} ({row['unit']}), valid from {plain_number(start)} to {plain_number(end)}"


def _share(relaxed: object, bound: object) -> str:
    a, b = float(str(relaxed)), float(str(bound))
    return f" by {abs(a - b) / abs(b):.0%}" if b else ""
