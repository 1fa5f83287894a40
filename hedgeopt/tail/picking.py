"""Which few groups to open, by the slim relaxation: close the least of many, then exchange some for those that would pay.

What is computed here only chooses; values are those of the lots found in the groups chosen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hedgeopt.tail.slim import Slim
from hedgeopt.tail.small import SmallAnswer, SmallSlim
from hedgeopt.tail.source import Index, Vector

# Share of the groups too many that are closed at a time; groups whose closing is tried one by one; rounds of cuts after each
# choice and at the end, and how close the last are; groups added at a time; the share of lots fixed at a time.
_SHARE, _TRIED, _ROUNDS, _LAST, _CLOSE, _ADD, _DIVE = 0.3, 5, 4, 40, 1e-3, 8, 0.34


class Picking:
    """Choices of at most ``slim.shapes.most`` gates; ``scale`` (gates,) is how far one lot moves the losses."""

    def __init__(self, slim: Slim, scale: Vector, late: Callable[[], bool]) -> None:
        self.slim, self.late = slim, late
        self.scale = np.maximum(scale, 1e-12 * max(float(scale.max(initial=0.0)), 1e-300))
        self.value, self.best = np.inf, np.zeros(0, dtype=np.intp)
        self.answer: SmallAnswer | None = None
        self._slopes: tuple[Vector, Vector] | None = None
        self._rng = np.random.default_rng(0)
        self._turn = 0

    def lots(self, w: Vector) -> Vector:
        """(gates,) up less down at a point."""
        return np.asarray(w[: self.slim.size] - w[self.slim.size : 2 * self.slim.size])

    def from_lots(self, n: Vector) -> bool:
        """:meth:`reduced` of (gates,) lots, negative ones down."""
        return self.reduced(np.concatenate((np.maximum(n, 0.0), np.maximum(-n, 0.0), np.zeros(len(self.slim.rest)))))

    def reduced(self, w: Vector) -> bool:
        """Close the groups of a point that move the losses least until few are left; whether that is the best yet."""
        weight = np.abs(self.lots(w)) * self.scale
        live = np.flatnonzero(weight > 1e-7 * float(weight.max(initial=0.0)))
        return bool(len(live)) and self._fewer(SmallSlim(self.slim, live), live, w)

    def _fewer(self, small: SmallSlim, chosen: Index, w: Vector) -> bool:
        counted, most = self.slim.shapes.counts, self.slim.shapes.most
        while not self.late():
            free = chosen[counted[chosen]]
            over = len(free) - most
            if over <= 0:
                break
            weight = np.abs(self.lots(w)[free]) * self.scale[free]
            order = free[np.argsort(weight, kind="stable")]
            if over > _TRIED:
                gone = order[: max(1, min(round(_SHARE * over), over - _TRIED))]
            else:
                trials = [small.solve(np.setdiff1d(chosen, [g]), 1) for g in order[:_TRIED].tolist()]
                values = [np.inf if t is None else t.lower for t in trials]
                if not np.isfinite(min(values)):
                    return False
                gone = order[[int(np.argmin(values))]]
            chosen = np.setdiff1d(chosen, gone)
            found = small.solve(chosen, _ROUNDS)
            if found is None or found.lower >= self.value:
                return False
            w = found.w
        found = small.solve(chosen, _LAST, _CLOSE)
        if found is None or found.worth >= self.value - (1e-6 * abs(self.value) if np.isfinite(self.value) else 0.0):
            return False
        self.value, self.best, self.answer, self._slopes = found.worth, chosen, found, small.slopes(found)
        return True

    def exchanged(self) -> bool:
        """One turn of adding the groups that would pay most and closing as many; whether that is better."""
        if self.answer is None or self._slopes is None:
            return False
        self._turn += 1
        chosen, slopes = self.best, self._slopes
        out = np.zeros(0, dtype=np.intp)
        if self._turn > 2:
            # What is in the way of others is closed for a turn.
            out = self._rng.choice(chosen, size=min(1 + self._turn % 3, len(chosen)), replace=False)
            small = SmallSlim(self.slim, np.setdiff1d(chosen, out))
            other = small.solve(small.live, _ROUNDS)
            if other is None:
                return False
            slopes = small.slopes(other)
        pays = np.maximum(-np.minimum(*slopes), 0.0)
        score = pays / (self.scale if self._turn % 2 else np.sqrt(self.scale))
        if self._turn > 2:
            score = score * self._rng.uniform(0.3, 1.0, len(score))
        score[chosen] = 0.0
        new = np.argsort(-score)[:_ADD]
        new = new[score[new] > 0]
        if not len(new):
            return False
        live = np.union1d(np.setdiff1d(chosen, out), new)
        small = SmallSlim(self.slim, live)
        more = small.solve(live, _ROUNDS)
        return more is not None and self._fewer(small, live, more.w)

    def whole(self) -> Vector | None:
        """All columns at whole lots of the groups chosen; None where rounding breaks a row."""
        if self.answer is None:
            return None
        small, n, fixed = SmallSlim(self.slim, self.best), self.lots(self.answer.w), dict[int, float]()
        found: SmallAnswer | None = self.answer
        loose = self.best
        while found is not None and len(loose):
            n = self.lots(found.w)
            near = loose[np.argsort(np.abs(n[loose] - np.round(n[loose])), kind="stable")]
            some = near[: max(1, round(_DIVE * len(loose)))].tolist()
            then = small.solve(self.best, _ROUNDS, _CLOSE, {**fixed, **{g: float(np.round(n[g])) for g in some}})
            if then is None and len(some) > 1:
                some = some[:1]
                then = small.solve(self.best, _ROUNDS, _CLOSE, {**fixed, some[0]: float(np.round(n[some[0]]))})
            if then is None:
                g = some[0]
                other = float(np.floor(n[g]) + np.ceil(n[g]) - np.round(n[g]))
                then = small.solve(self.best, _ROUNDS, _CLOSE, {**fixed, g: other})
                fixed[g] = other
            else:
                fixed |= {g: float(np.round(n[g])) for g in some}
            found, loose = then, np.setdiff1d(loose, some)
        return None if found is None else self.slim.full(found.w)

    def point(self) -> Vector:
        """The best choice's point in the slim program."""
        assert self.answer is not None
        return self.answer.w

    def open(self) -> NDArray[np.bool_]:
        """(gates,) which are chosen."""
        found = np.zeros(len(self.scale), dtype=bool)
        found[self.best] = True
        return found
