"""Solve over a few candidates at a time, and prove the answer over all of them.

A hedge of hundreds of candidates trades a handful. The program is compiled for a fixed number of slots and solved over the
candidates in them; the Lagrangian of the whole problem, which the certificate minimises over the trade box
anyway, then says of every other candidate by how much the objective could fall at most if it were traded too (column
generation: Gilmore and Gomory 1961). Those that could help take the place of those that do not, until the gap over all
candidates is within the policy's tolerance. What this module returns carries the same certificate as a solve over
everything; where it finds none it returns None, and the caller solves the whole. As the program does not depend on which
candidates stand in its slots, nor on the rows of the book, it serves every step of a replay whose candidates and positions
change from day to day.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from hedgeopt.backtest.policies.margin_slots import SlottedMargin, slottable
from hedgeopt.backtest.policies.smooth import solve_smooth
from hedgeopt.constraints.constraint import BoundConstraint, Constraint
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.constraints.over_accounts import shared_instruments
from hedgeopt.errors import CertificateError, InfeasibleError
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box, trade_box
from hedgeopt.program.certificate import certify
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.program.proven import Certificate
from hedgeopt.program.solution import Solution

__all__ = ["Columns", "gains", "restricted"]

_SLOTS, _ROUNDS, _NEW, _KEPT = 24, 8, 12, 4
_FEWER = 12, 6, 3


class _Slots(Program):
    """A program for any candidates, as many as it has slots; only the first ``curved`` may be other than options."""

    def __init__(self, policy: Policy, e: Exposures, curved: int) -> None:
        self.curved = curved
        super().__init__(policy, e)

    def bound(self, spec: Constraint, exposures: Exposures) -> BoundConstraint:
        """Margin limits in their form over slots."""
        if isinstance(spec, MarginUtilisation):
            return SlottedMargin(self.variables, exposures, spec, self.curved)
        return super().bound(spec, exposures)

    def update(self, e: Exposures, box: Box, tighten: Any = None) -> None:
        """Load data of as many candidates; which ones does not matter."""
        self.structure = e.structure()
        super().update(e, box, tighten)


class Columns:
    """The solver of one policy.

    ``compiled`` counts its programs, ``slots`` the candidates solved over at a time; ``program`` is the last one used, whose
    terms and limits evaluate any exposures. ``fits``: this module may try; ``stressed``: the policy looks at stress
    scenarios; ``smooth``: it has a variance, no tail, and names no other solver.
    """

    def __init__(self, rules: Policy, slots: int = _SLOTS) -> None:
        self.rules, self.slots, self.compiled = rules, slots, 0
        terms = [part.term for part in rules.minimize]
        terms += [term for limit in rules.subject_to for term in limit.terms()]
        self.margins = tuple(rule for rule in rules.subject_to if isinstance(rule, MarginUtilisation))
        self.fits = all(part.by_candidate for part in (*terms, *rules.subject_to) if part not in self.margins)
        curved = any(term.curved for term in terms) and not any(term.tail for term in terms)
        self.smooth = curved and rules.solver in ("auto", "CLARABEL")
        self.stressed = not self.fits or any(part.reads_stress for part in (*terms, *rules.subject_to))
        self._programs: OrderedDict[Any, _Slots] = OrderedDict()
        self.program: Program | None = None
        self._places: list[str] = []
        self._traded: set[str] = set()
        self._curved, self._size = 0, slots

    def solve(self, e: Exposures) -> Solution | None:
        """Trades certified over all candidates; None where a solve over everything has to decide."""
        if not self.fits or not e.n_candidates or len(e.links) or shared_instruments(e, position=True):
            return None
        if e.depth is not None or not all(slottable(limit, e) for limit in self.margins):
            return None
        slots = self.slots if e.n_candidates > 2 * self.slots else e.n_candidates
        if self.margins:  # the number of candidates changes from day to day, and the program need not
            slots = next((size for size in (self.slots, *_FEWER) if size <= e.n_candidates), e.n_candidates)
        program, box = self._program(e, slots), trade_box(self.rules, e)
        if slots == e.n_candidates and not self.margins:
            return self._everything(program, e)
        names = [f"{e.accounts[e.rows.account[row]]} {e.rows.instruments[row].id}" for row in e.candidate]
        self._size, option = slots, self._options(e)
        chosen = self._first(program, e, box, names)
        if len(chosen) < slots:
            return None
        for _ in range(_ROUNDS):
            try:
                part = solve_program(program, restricted(e, chosen), lots="none")
            except (InfeasibleError, CertificateError):
                return None
            x = np.zeros(e.n_candidates)
            x[chosen] = part.trades
            tails = {id(record.atom): record.weights for record in part.statistics.get("tails", ())}
            program.scale = _scale(box)
            certificate, sides = certify(program, e, box, x, tails)
            if certificate.valid:
                self._traded = {names[n] for n in np.flatnonzero(x)}
                return replace(_solution(x, certificate, sides, box, program, part), tails=tails)
            gain = gains(program.lagrangian(e, x, tails), x, box)
            chosen = self._exchange(chosen, x, gain, names, option)
        return None

    def _everything(self, program: Program, e: Exposures) -> Solution | None:
        if self.smooth:
            solution = solve_smooth(program, e)
            if solution is not None:
                return solution
        try:
            return solve_program(program, e, lots="none")
        except (InfeasibleError, CertificateError):
            return None

    def _program(self, e: Exposures, slots: int) -> _Slots:
        # everything that parts which are by_candidate may be built from: no rows, instruments or expiries
        price = None if e.numeraire is None else e.numeraire.price
        key: tuple[Any, ...] = (
            slots,
            e.assets,
            e.accounts,
            e.venues,
            len(e.base_pnl),
            e.probabilities is None,
            e.stress,
            price,
        )
        if self.margins:
            options = int(self._options(e).sum())
            self._curved = max(min(e.n_candidates - options, max(slots // 2, 1)), slots - options, self._curved)
            key = (*key, self._curved)
        if key not in self._programs:
            self._programs[key] = _Slots(self.rules, restricted(e, np.arange(slots)), min(self._curved, slots))
            self.compiled += 1
            if len(self._programs) > _KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        self.program = self._programs[key]
        return self._programs[key]

    def _first(self, program: Program, e: Exposures, box: Box, names: list[str]) -> np.ndarray:
        """What was traded last, what is no option, what is held where margin is short, and what helps most now."""
        nothing = np.zeros(e.n_candidates)
        gain = gains(program.lagrangian(e, nothing, {}), nothing, box)
        linear = ~self._options(e)
        before = np.array([name in self._traded for name in names])
        short = self.margins and any(side.violation > 0.0 for side in program.sides(e, nothing))
        held = e.held & bool(short)  # closing it makes room
        order = np.lexsort((-gain, ~held, ~linear, ~before))
        return self._placed(order, names, ~linear)

    @staticmethod
    def _options(e: Exposures) -> np.ndarray:
        """(N,) bool: candidates that are options."""
        return np.array([e.rows.instruments[row].nature.option for row in e.candidate], bool)

    def _exchange(self, chosen: np.ndarray, x: np.ndarray, gain: np.ndarray, names: list[str], option: Any) -> np.ndarray:
        """The candidates that would help most, in place of those that stand idle."""
        outside = np.ones(len(x), bool)
        outside[chosen] = False
        order = np.argsort(-np.where(outside, gain, 0.0), kind="stable")
        new = [int(n) for n in order[:_NEW] if outside[n] and gain[n] > 0.0]
        busy = [int(n) for n in chosen if x[n] != 0.0]
        idle = [int(n) for n in chosen if x[n] == 0.0]
        return self._placed(np.array([*busy, *new, *idle]), names, option)

    def _placed(self, order: np.ndarray, names: list[str], option: np.ndarray) -> np.ndarray:
        """The first of the order, in the slots they had before, as far as they had one: so the last solution is a start.

        Where margin is limited, what is no option stands in one of the first slots, and no more of them than there are.
        """
        slots, curved = self._size, self._curved if self.margins else self._size
        wanted: list[int] = []
        others = 0
        for n in [*order.tolist(), *np.flatnonzero(option).tolist()]:
            if len(wanted) == slots:
                break
            if n not in wanted and (option[n] or others < curved):
                others += not option[n]
                wanted.append(n)
        places: list[int | None] = [None] * slots
        at = {names[n]: n for n in wanted}
        for place, name in enumerate(self._places[:slots]):
            n = at.get(name)
            if n is not None and (option[n] or place < curved):
                places[place] = at.pop(name)
        left = sorted(at.values(), key=lambda n: bool(option[n]))  # what is no option takes the first of the free slots
        for n in left:
            free = next((place for place, taken in enumerate(places) if taken is None), 0)
            if not option[n] and free >= curved:  # an option stands where it need not
                swap = next(place for place in range(curved) if option[places[place] or 0])
                places[free], places[swap] = places[swap], n
            else:
                places[free] = n
        chosen = [n for n in places if n is not None]
        self._places = [names[n] for n in chosen]
        return np.array(chosen)


def restricted(e: Exposures, chosen: np.ndarray) -> Exposures:
    """The same book with the candidates ``chosen`` (k,) alone; no transfers among them."""
    return replace(
        e,
        candidate=e.candidate[chosen],
        lower=e.lower[chosen],
        upper=e.upper[chosen],
        cost_buy=e.cost_buy[chosen],
        cost_sell=e.cost_sell[chosen],
        fee=e.fee[chosen],
        trade_greeks=e.trade_greeks[:, chosen],
        open_interest=e.open_interest[chosen],
        pnl=e.pnl[:, chosen],
        stress_pnl=e.stress_pnl[:, chosen],
    )


def gains(f: Separable, x: np.ndarray, box: Box) -> np.ndarray:
    """(N,) by how much each coordinate of x alone could lower f inside the box; they add up to ``f(x) - min f``."""
    points = [x, box.lower, box.upper]
    if f.kinks is not None:
        points += list(np.clip(f.kinks, box.lower, box.upper))
    values = np.array(points) * f.slope
    if f.weights is not None and f.kinks is not None:
        for weight, kink in zip(f.weights, f.kinks, strict=True):
            values += weight * np.maximum(np.array(points) - kink, 0.0)
    return values[0] - values.min(axis=0)


def _scale(box: Box) -> np.ndarray:
    scale = np.maximum(np.maximum(-box.lower, box.upper), 0.0)
    return np.where(scale == 0.0, 1.0, scale)


def _solution(x: np.ndarray, certificate: Certificate, sides: Any, box: Box, program: Program, part: Solution) -> Solution:
    return Solution(x, certificate, tuple(sides), box, box.binding(x), part.statistics)
