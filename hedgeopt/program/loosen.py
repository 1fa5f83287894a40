"""Limits that cannot be met together: by how much, what holds them back, and which numbers would do.

Numbers are those at the closest trades. A loosened limit is that value rounded outwards, in the unit in which the policy
gives the limit; ``enough`` says that trades were found which meet every limit when all of them are loosened so.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import Constraint, Side
from hedgeopt.constraints.limit import Limit
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.survive_stress import SurviveStress
from hedgeopt.files.counted import many
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import FEASIBILITY, relative_violation
from hedgeopt.program.counted import side_as_told
from hedgeopt.program.limits import limits_of
from hedgeopt.program.plain_limits import plain_sides
from hedgeopt.program.program import Program

__all__ = ["Missed", "conflict_lines", "enough", "held_back_by", "missed", "rounded_outwards"]

_MOST, _NAMED = 2, 8


@dataclass(frozen=True)
class Missed:
    """One limit that is missed: its side as reported (``told``), and what the policy would have to say instead.

    Attributes
    ----------
    side, told
        In dollars, and in the policy's numeraire.
    now, needed, unit
        The policy's number and the loosened one; None where no number of the policy helps.
    loosened
        The side's limit by the loosened number, in dollars.
    collateral
        USD of collateral that would do instead; None where none would.
    """

    side: Side
    told: Side
    now: float | None
    needed: float | None
    unit: str
    loosened: float
    collateral: float | None = None

    @property
    def gap(self) -> str:
        """Such as ``gamma BTC at -0.00085 coin per USD, 0.00025 below its limit of -0.0006``."""
        t, step = self.told, self._step
        where = "above" if t.sign > 0 else "below"
        limit = f"{t.limit:,.12g}" if t.limit == self.now else _in_steps(t.limit, step)
        return (
            f"{t.name} at {_in_steps(t.value, step)} {t.unit}, {_in_steps(t.violation, step)} {where} its limit of {limit}"
        )

    @property
    def fix(self) -> str:
        """Such as ``lower gamma BTC from -0.0006 to -0.000852 or less``."""
        if self.needed is None or self.now is None:
            short = _in_steps(self.told.violation, self._step)
            return f"{self.told.name} needs collateral of at least {short} {self.told.unit}"
        verb, end = ("raise", "or more") if self.told.sign > 0 else ("lower", "or less")
        number = _in_steps(self.needed, _third_digit(self.needed, self.now))
        unit = f" {self.unit}" if self.unit != self.told.unit else ""
        paid = "" if self.collateral is None else f" (or post at least {ceil(self.collateral):,} USD of collateral)"
        return f"{verb} {self.told.name} from {self.now:,.12g} to {number}{unit} {end}{paid}"

    @property
    def _step(self) -> float:
        return _third_digit(self.told.value, self.told.limit)


def missed(program: Program, e: Exposures, x: np.ndarray, broken: Sequence[Side]) -> list[Missed]:
    """What each broken side needs."""
    owner = {
        side.name: spec for spec, mine in zip(program.limit_specs, program.named_sides(e, x), strict=True) for side in mine
    }
    return [_missed(program.policy, e, x, side, owner[side.name]) for side in broken]


def _missed(policy: Policy, e: Exposures, x: np.ndarray, side: Side, spec: Constraint) -> Missed:
    told = side_as_told(side, e.numeraire)
    margin = spec.margin_utilisation() if isinstance(spec, Limit) else spec if isinstance(spec, MarginUtilisation) else None
    if margin is not None:
        plain = next((p.side for p in spec.plain_sides(e, x, everywhere=True) if side.name.startswith(p.side.name)), None)
        equity = 0.0 if plain is None else (plain.limit + margin.buffer) / margin.limit
        if plain is not None and equity > 0:
            share = rounded_outwards((plain.value + margin.buffer) / equity, margin.limit, 1)
            loosened = side.limit + (share - margin.limit) * equity
            return Missed(side, told, margin.limit, share, "of equity", loosened, side.violation / margin.limit)
    if margin is not None or isinstance(spec, SurviveStress) or spec in limits_of(_nothing(policy), e):
        return Missed(side, told, None, None, told.unit, side.value)
    needed = rounded_outwards(told.value, told.limit, told.sign)
    loosened = needed if e.numeraire is None else e.numeraire.dollars(needed, side.unit)
    return Missed(side, told, told.limit, needed, told.unit, loosened)


def _nothing(policy: Policy) -> Policy:
    """The policy without limits of its own: what is left are rules that always hold."""
    return policy.model_copy(update={"subject_to": ()})


def enough(program: Program, e: Exposures, box: Box, x: np.ndarray, found: Sequence[Missed], seconds: float) -> bool:
    """Whether trades meet every limit once the missed ones are loosened: those given, or else those of one more solve."""
    if any(one.needed is None for one in found):
        return False
    to = {one.side.name: one.loosened for one in found}
    if _holds(program, e, box, x, to):
        return True
    if seconds <= 0:
        return False
    try:
        program.update(e, box, {one.side.name: -abs(one.loosened - one.side.limit) for one in found})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            program.problem.solve(method="tail", tolerance=0.1 * program.policy.tolerance, time_limit=seconds)
        return program.variables.buy.value is not None and _holds(program, e, box, program.x(), to)
    except cp.SolverError:
        return False
    finally:
        program.update(e, box)


def _holds(program: Program, e: Exposures, box: Box, x: np.ndarray, to: Mapping[str, float]) -> bool:
    """Whether trades x meet every limit with those in ``to`` moved, in the program's form and by the venues' rules."""
    if bool(((x < box.lower) | (x > box.upper)).any()):
        return False
    sides = [replace(side, limit=to.get(side.name, side.limit)) for side in program.sides(e, x)]
    if any(relative_violation(side) > FEASIBILITY for side in sides):
        return False
    moved = {side.name: to[side.name] - side.limit for side in program.sides(e, x) if side.name in to}
    for plain in plain_sides(program.policy, e, x):
        limit = plain.side.limit + moved.get(plain.side.name, 0.0)
        if replace(plain, side=replace(plain.side, limit=limit)).excess > FEASIBILITY:
            return False
    return True


def held_back_by(program: Program, e: Exposures, box: Box, x: np.ndarray, broken: Sequence[Side]) -> list[str]:
    """Limits that are met, and cost something at the closest trades: loosening them helps as well; then sizes of orders."""
    names = {side.name for side in broken}
    priced = [side for side in program.sides(e, x) if side.name not in names and np.isfinite(side.dual) and side.dual > 0]
    tight = [s for s in priced if s.violation >= -1e-6 * max(abs(s.limit), 1e-12)]
    told = [side_as_told(side, e.numeraire) for side in tight if not side.sizing]
    found = [f"{side.name} (limit {side.limit:,.12g} {side.unit})" for side in told]
    sizes = [f"{name} ({many(len(at), 'trade')} at it)" for name, at in box.binding(x).items()]
    return [*found, *sizes]


def conflict_lines(found: Sequence[Missed], held: Sequence[str], proven: bool) -> tuple[str, list[str]]:
    """The message in one line, and the details."""
    some = any(one.needed is not None for one in found)
    then = "then trades meet every limit" if proven else "that much at least" if some else ""
    if len(found) <= _MOST:
        gaps, fixes = "; ".join(one.gap for one in found), " and ".join(one.fix for one in found)
        line = f"the closest trades leave {gaps}; {fixes}{f' ({then})' if then else ''}"
        details = []
    else:
        names = ", ".join(one.told.name for one in found)
        line = f"{many(len(found), 'limit')} conflict ({names}); loosen them together{f', {then}' if then else ''}"
        details = [f"{one.gap}; {one.fix}" for one in found]
    if held:
        more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
        details.append(f"held back by {', '.join(held[:_NAMED])}{more}: more room there, or more candidates, may help too")
    return f"no trade list meets every limit: {line}", details


def _third_digit(value: float, limit: float) -> float:
    """A step of a thousandth to a hundredth of what a limit is missed by, or of the value where that is less."""
    size = abs(value - limit)
    size = min(size, max(abs(value), 1e-3 * size))
    return float(10.0 ** (floor(log10(size)) - 2)) if size > 0 else 1.0


def rounded_outwards(value: float, limit: float, sign: int) -> float:
    """A limit that ``value`` meets with room of half a step or more."""
    step = _third_digit(value, limit)
    return sign * step * ceil(sign * value / step + 0.5)


def _in_steps(value: float, step: float) -> str:
    digits = max(0, -floor(log10(step) + 1e-9))
    return f"{value:,.{digits}f}" if digits <= 9 else f"{value:.6g}"
