"""Trades in whole lots: the best list that a venue takes, with the price of that.

The ideal trades (any size) are solved and certified first. Their lower bound holds for whole lots, too: those are some of
the lists over which it is proven. So a search needs no bound of its own, and any way of looking is fair: first the ideal
rounded, then integers over a few cuts (:mod:`hedgeopt.program.lots.repair`), then, where that is not near enough, the tail
solver's own search (:mod:`hedgeopt.program.lots.search`), over more and more candidates. Every limit is then evaluated on
the list itself, by the plain rules of the venues; one that is broken is tightened and the search repeated. A list that
breaks a limit is never returned. One that costs more than ``lot_gap`` above the bound is returned as what it is: not valid,
with its gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from hedgeopt.constraints.constraint import Side
from hedgeopt.constraints.max_trades import MaxTrades
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box
from hedgeopt.program.certificate import certify, gap_unit
from hedgeopt.program.lots.bound import exactly_posed, useful
from hedgeopt.program.lots.choice import LotChoice, choose
from hedgeopt.program.lots.nearest import missed_sides, narrow_bands, nearest_list, only, with_room
from hedgeopt.program.lots.refused import ONE_SIDE, refused
from hedgeopt.program.lots.repair import quick_list
from hedgeopt.program.lots.search import searched
from hedgeopt.program.lots.steps import facing, in_whole_lots, require_lots, rounded
from hedgeopt.program.lots.tune import into_bands
from hedgeopt.program.own_excess import own_excess
from hedgeopt.program.program import Program
from hedgeopt.program.proven import Certificate
from hedgeopt.program.search import Deadline
from hedgeopt.program.solution import Multipliers, Solution, Stages
from hedgeopt.program.tickets import paid_fixed, tickets_of

__all__ = ["whole_lots"]

# Candidates beside those that the ideal trades; further ones where these are not enough; tightenings of a limit; the part of
# the gap that a search may leave.
_MORE, _TRIES, _PART = (20, 80), 4, 0.1
# The part of the gap that a search with a bound of its own may leave.
_SHARE = 0.3
# What a tightened limit gets beyond its excess.
_BEYOND = 1.5
# The part of the objective that an order gains at least.
_WORTH = 1e-6
# Lots of room in other limits, where lists are to fit into narrow bands; lists of which the best is taken.
_ROOM, _FITTING = (3.0, 1.0, 0.0), 20
# Seconds of one search: it has a point early, and the bound is that of the ideal.
_SECONDS = 30.0


def whole_lots(
    program: Program, e: Exposures, ideal: Solution, stages: Stages, deadline: Deadline, *, exact: bool = True
) -> Solution:
    """The best list in whole lots near ``ideal``, certified against the ideal's bound; not valid beyond ``lot_gap``.

    ``exact``: where integers over cuts are not near enough, the tail solver searches, too.

    Raises
    ------
    InputError
        An instrument that the ideal trades has no known lot.
    CertificateError
        No list in whole lots was found that meets every limit: names the limit, and the nearest list.
    """
    exact = exact or bool(program.added)  # there are no cuts of the user's constraints
    require_lots(e, ideal.trades)
    inside = _now(program, ideal.box) if exact or len(e.links) else ideal.box
    work = _Work(program, e, ideal, inside, [
        (d, d.value) for row in program.problem.constraints for d in row.dual_variables
    ])  # fmt: skip
    gap = _PART * program.policy.lot_gap
    if _nothing_allowed(program, e):
        return _nothing(work, stages)
    try:
        if tickets_of(program.policy, e).any():
            work.judge(np.zeros(e.n_candidates), stages)
        for x in work.plain_roundings():
            work.judge(x, stages)
        if not work.near(gap):
            _search(work, gap, deadline, stages, exact)
    finally:
        work.restore()
    if work.done:
        with stages("certify"):
            work.tidy()
    if work.best is None:
        raise refused(
            program, e, ideal, work.nearest, work.broken, none_exists=work.bound == np.inf, late=deadline.left() <= 0
        )
    found = _solution(work, deadline)
    if exact:
        program.place(found.trades)
    if program.own.whole:
        own_excess(program.own.exact, program.variables, found.trades / program.scale, stay=True)
    return found


def _nothing_allowed(program: Program, e: Exposures) -> bool:
    """Whether the empty list is the only one: no trades are allowed, and no collateral may move."""
    return not len(e.links) and any(isinstance(rule, MaxTrades) and rule.most == 0 for rule in program.policy.subject_to)


def _nothing(work: _Work, stages: Stages) -> Solution:
    """The empty list, which is the best where it is the only one; infeasible where it breaks a limit."""
    x = np.zeros(work.e.n_candidates)
    work.bound = work.program.objective_value(work.e, x)
    work.judge(x, stages)
    work.restore()
    if work.best is None:
        raise refused(work.program, work.e, work.ideal, x, work.broken, none_exists=True, late=False)
    certificate, sides, _ = work.best
    note = "nothing is traded: the number of trades allowed (max_trades) is 0"
    work.best = replace(certificate, notes=(*certificate.notes, note)), sides, x
    work.program.place(x)
    return _solution(work, Deadline(np.inf))


def _search(work: _Work, gap: float, deadline: Deadline, stages: Stages, exact: bool) -> None:
    """One way of looking after another, until a list is near enough to the bound."""
    tickets = bool(tickets_of(work.program.policy, work.e).any())
    counted = tickets or work.program.own.whole or any(rule.counts for rule in work.program.policy.subject_to)
    looks: tuple[Callable[..., Iterator[np.ndarray]], ...] = (work.quickly, work.proving, work.exactly)
    if counted and exactly_posed(work.program, work.e):
        # Integers over cuts know little of how few trades do.
        looks = (work.proving, work.quickly, work.exactly)
    for look in looks if exact else (work.quickly,):
        for more in _MORE:
            choice = work.choice(more, both=counted or more == _MORE[-1])
            for x in look(choice, gap, deadline, stages):
                work.judge(x, stages)
            if work.done or deadline.left() <= 0:
                return
        if work.bound == np.inf:
            return
        if look == work.quickly and not _begin_again(work, gap, deadline, stages):
            if not work.done:
                for x in work.proving(work.choice(_MORE[0], both=True), gap, deadline, stages):
                    work.judge(x, stages)
            return


def _begin_again(work: _Work, gap: float, deadline: Deadline, stages: Stages) -> bool:
    """Where bands have no room for a lot, lists that fit in by several; else from the list nearest to meeting every limit.

    False where a longer search is of no use: a list is found, or the nearest meets every limit but such bands.
    """
    narrow: Mapping[tuple[int, int], float] = {}
    for more in _MORE:
        choice = work.choice(more, both=True)
        narrow = narrow_bands(work.program, work.e, choice)
        if narrow:
            for x in work.fitting(choice, narrow, gap, deadline, stages):
                work.judge(x, stages)
                if work.done:
                    return False
        if work.best is None:
            work.restore()
            with stages("lots"):
                seconds = min(deadline.share(), _SECONDS)
                found = (work.program, work.e, work.inside, choice, work.ideal.trades, work.tails, narrow)
                near = nearest_list(*found, seconds=seconds)
            if near is None:
                continue
            work.nearest = near
            work.judge(near, stages)
            if work.best is not None:
                for better in work.quickly(choice, gap, deadline, stages):
                    work.judge(better, stages)
        if work.done or deadline.left() <= 0:
            break
    near = work.nearest
    return not (work.done or (work.best is None and near is not None and only(work.program, work.e, near, narrow)))


@dataclass
class _Work:
    """What a search begins from, and the best list that it has found."""

    program: Program
    e: Exposures
    ideal: Solution
    inside: Box
    duals: Sequence[tuple[Any, Any]]
    best: tuple[Certificate, list[Side], np.ndarray] | None = None
    broken: str = ""
    bound: float = -np.inf
    asked: bool = False
    nearest: np.ndarray | None = None
    over: dict[str, float] = field(default_factory=dict)

    @property
    def tails(self) -> dict[int, np.ndarray]:
        """Scenario weights of the ideal's proof."""
        return dict(self.ideal.tails)

    @property
    def done(self) -> bool:
        """Whether a list is near enough to the bound."""
        return self.best is not None and self.best[0].valid

    def near(self, gap: float) -> bool:
        """Whether a list is so near that no search is worth its time."""
        return self.done and self.best is not None and self.best[0].gap <= gap

    def restore(self) -> None:
        """Shadow prices of the ideal: those of a search with integers are none."""
        for dual, value in self.duals:
            dual.save_value(value)

    def choice(self, more: int, both: bool) -> LotChoice:
        """Candidates of a search."""
        self.restore()
        return choose(self.program, self.e, self.ideal, self.inside, self.tails, more, both)

    def quickly(self, choice: LotChoice, gap: float, deadline: Deadline, stages: Stages) -> Iterator[np.ndarray]:
        """Lists by integers over cuts."""
        self.restore()
        seconds = min(deadline.share(), _SECONDS)
        known = None if self.best is None else self.best[2]
        options: dict[str, Any] = {"gap": gap, "seconds": seconds, "known": known}
        with stages("lots"):
            x = quick_list(self.program, self.e, self.inside, choice, self.ideal.trades, self.tails, **options)
        if x is not None:
            yield x

    def fitting(
        self, choice: LotChoice, narrow: Mapping[tuple[int, int], float], gap: float, deadline: Deadline, stages: Stages
    ) -> Iterator[np.ndarray]:
        """Lists by integers over cuts that may miss narrow bands by a lot or two, and then a few lots into those."""
        x, given = self.ideal.trades, (self.program, self.e, self.inside, choice)
        for room in _ROOM:
            self.restore()
            with stages("lots"):
                eased = with_room(self.program, self.e, choice, x, self.tails, narrow, room) if room else narrow
                options: dict[str, Any] = {"gap": gap, "seconds": min(deadline.share(), _SECONDS), "loosened": eased}
                y = quick_list(*given, x, self.tails, **options)
                self.restore()
                if y is None:
                    continue
                lists = into_bands(*given, y, list(narrow), self.program.lagrangian(self.e, x, self.tails))
                good = (z for z in lists if not facing(self.e, z) and not missed_sides(self.program, self.e, z))
                found = list(islice(good, _FITTING))
            if found:
                yield min(found, key=lambda z: self.program.objective_value(self.e, z))

    def exactly(self, choice: LotChoice, gap: float, deadline: Deadline, stages: Stages) -> Iterator[np.ndarray]:
        """Lists by the tail solver; a limit that only the venue's plain rule finds broken is tightened in between."""
        tighten: dict[str, float] = {}
        try:
            for _ in range(_TRIES):
                seconds = min(deadline.share(), _SECONDS)
                with stages("lots"):
                    x = searched(self.program, self.e, choice, self.ideal.trades, gap=gap, seconds=seconds).x
                if x is None:
                    return
                yield x
                if not self.over or deadline.left() <= 0:
                    return
                for name, excess in self.over.items():
                    tighten[name] = 2.0 * tighten.get(name, 0.0) + _BEYOND * excess
                self.program.update(self.e, self.inside, tighten)
        finally:
            if tighten:
                self.program.update(self.e, self.inside)

    def proving(self, _: LotChoice, gap: float, deadline: Deadline, stages: Stages) -> Iterator[np.ndarray]:
        """A list by the tail solver over every candidate that may be in a better one, and a bound of all lists."""
        if self.asked or not exactly_posed(self.program, self.e):
            return
        self.asked = True
        self.restore()
        best = np.inf if self.best is None else self.best[0].objective
        choice = useful(self.program, self.e, self.ideal.trades, self.inside, self.tails, best)
        if choice is None:
            return
        start = self.ideal.trades if self.best is None else self.best[2]
        with stages("lots"):
            gap = _SHARE * self.program.policy.lot_gap
            found = searched(self.program, self.e, choice, start, gap=gap, seconds=min(deadline.share(), _SECONDS))
        self.bound = min(found.bound, best)
        if found.x is not None:
            yield found.x
        if self.best is not None:
            yield self.best[2]

    def plain_roundings(self) -> Iterator[np.ndarray]:
        """Nothing, and the ideal rounded to lots: toward nothing, and to the nearest."""
        sent = np.zeros_like(self.ideal.trades)
        sent[self.e.links.candidate] = self.ideal.trades[self.e.links.candidate]
        yield sent
        yield rounded(self.e, self.ideal.trades, np.trunc)
        yield rounded(self.e, self.ideal.trades, np.round)

    def tidy(self) -> None:
        """Drop orders that gain less than a millionth of the objective, and whose limits hold without them."""
        assert self.best is not None
        e, program = self.e, self.program
        certificate, _, x = self.best
        worth = _WORTH * gap_unit(program, certificate.objective)
        value, y = program.objective_value(e, x) + paid_fixed(program.policy, e, x), x.copy()
        orders = np.setdiff1d(np.flatnonzero(x), e.links.candidate)
        for i in orders[np.argsort(np.abs(x[orders]) * e.rows.notional[e.candidate[orders]], kind="stable")].tolist():
            z = y.copy()
            z[i] = 0.0
            without = program.objective_value(e, z) + paid_fixed(program.policy, e, z)
            if without <= value + worth and not missed_sides(program, e, z):
                y, value, worth = z, without, worth - max(without - value, 0.0)
        if (y != x).any():
            found, sides = self._certified(y)
            if found.valid and not facing(e, y):
                self.best = found, sides, y

    def _certified(self, x: np.ndarray) -> tuple[Certificate, list[Side]]:
        """The certificate of a list against the best bound known."""
        self.restore()
        known = self.ideal.certificate.lower_bound
        known = max(known, self.bound) if np.isfinite(self.bound) else known
        gap = self.program.policy.lot_gap
        return certify(self.program, self.e, self.ideal.box, x, self.tails, known, lot_gap=gap, whole=True)

    def judge(self, x: np.ndarray, stages: Stages) -> None:
        """Keep a list that holds every limit and is the best so far; remember what another breaks."""
        with stages("certify"):
            certificate, sides = self._certified(x)
        self.over = {}
        if not in_whole_lots(self.e, x).all():
            return
        if both := facing(self.e, x):
            self.broken = ONE_SIDE.format(both)
            return
        if not certificate.feasible:
            self.broken = certificate.worst_limit
            self.over = {side.name: side.violation for side in sides if side.violation > 0.0}
        elif self.best is None or certificate.objective <= self.best[0].objective:
            self.best = certificate, sides, x


def _now(program: Program, box: Box) -> Box:
    """The box as the program has it: links that are shut stay shut."""
    low, high = program.bounds()
    return replace(box, lower=np.maximum(box.lower, low), upper=np.minimum(box.upper, high))


def _solution(work: _Work, deadline: Deadline) -> Solution:
    """The ideal's proofs with the list in whole lots, and what both cost."""
    assert work.best is not None
    (certificate, sides, x), ideal = work.best, work.ideal
    sent = np.zeros(len(x), bool)
    sent[work.e.links.candidate] = True
    certificate = replace(
        certificate,
        ideal_objective=ideal.certificate.objective,
        ideal_lower_bound=ideal.certificate.lower_bound,
        ideal_trades=int(((ideal.trades != 0.0) & ~sent).sum()),
    )
    if not x.any() and ideal.trades.any() and tickets_of(work.program.policy, work.e).any():
        certificate = replace(certificate, notes=(*certificate.notes, _dearer(ideal, certificate)))
    if not certificate.valid:
        certificate = replace(certificate, missing=_missing(work, certificate, deadline))
    proofs = (*ideal.proofs, Multipliers.of(ideal.sides, ideal.tails))
    return replace(ideal, trades=x, certificate=certificate, sides=tuple(sides), proofs=proofs)


def _dearer(ideal: Solution, certificate: Certificate) -> str:
    """Why nothing is traded where each order pays a ticket."""
    gain = certificate.objective - ideal.certificate.objective
    return (
        f"nothing is traded: without tickets the ideal trades would lower the objective by {gain:,.4g}, and what orders "
        "cost whatever their size (candidates.ticket) is more than any list found gains"
    )


def _missing(work: _Work, certificate: Certificate, deadline: Deadline) -> str:
    """What keeps a list that holds every limit from being valid, and what would help."""
    late = " within the time limit" if deadline.left() <= 0 else ""
    helps = [f"raise lot_gap above {certificate.gap:.2%}" if certificate.gap < 0.1 else "", "widen limits"]
    helps += ["give time_limit_seconds more" if late else "", 'set lots = "ideal"']
    return (
        f"every limit holds, but the best list in whole lots found{late} may cost up to {certificate.gap:.2%} more than the "
        f"best there is, and lot_gap allows {work.program.policy.lot_gap:.2%}: {', or '.join(one for one in helps if one)}"
    )
