"""The slim relaxation in a few gates, all of which may be open: a small program that shares its cuts with the large one."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp

from hedgeopt._quiet import without_output
from hedgeopt.tail.slim import Slim, give_rows
from hedgeopt.tail.source import Index, Vector

_OPTIONS = (("output_flag", False), ("parallel", "off"), ("presolve", "off"), ("solver", "simplex"))

# How far cuts are looked for towards the best point.
_PART = 0.5


@dataclass
class SmallAnswer:
    """A point of the slim program (all of its columns), its objective there and with the true tails; row multipliers."""

    w: Vector
    lower: float
    worth: float
    dual: Vector
    held: Vector


class SmallSlim:
    """The gates ``live``, no other; ``fixed`` lots may be set."""

    def __init__(self, slim: Slim, live: Index) -> None:
        slim.forget()
        self.slim, self.live = slim, np.sort(live)
        G, c = slim.size, slim.nodes.compiled
        self.columns = np.concatenate((self.live, G + self.live, np.arange(2 * G, slim.many)))
        part = slim.moves[self.columns]
        self.cost = slim.moves @ c.c
        A = sp.csr_array(slim.A @ part.T)
        n, m = len(self.columns), len(slim.keep)
        lp = highspy.HighsLp()
        low, high = np.zeros(n), np.zeros(n)
        low[2 * len(live) :], high[2 * len(live) :] = slim.nodes.first[slim.rest], slim.nodes.last[slim.rest]
        lp.num_col_, lp.num_row_ = n, m
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = part @ c.c, low, high
        lp.row_lower_, lp.row_upper_ = slim.lower, slim.upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h = self.highs = without_output(highspy.Highs)
        for name, value in _OPTIONS:
            h.setOptionValue(name, value)
        h.passModel(lp)
        self._given = 0

    def solve(
        self, chosen: Index, rounds: int, close: float = 0.0, fixed: dict[int, float] | None = None
    ) -> SmallAnswer | None:
        """The optimum in ``chosen`` of the gates, to ``close`` if rounds allow; None where there is none.

        ``fixed`` has lots by gate, negative ones down.
        """
        h, slim, k = self.highs, self.slim, len(self.live)
        shapes, open_ = slim.shapes, np.isin(self.live, chosen)
        high = np.concatenate((np.where(open_, shapes.top[self.live], 0.0), np.where(open_, shapes.bottom[self.live], 0.0)))
        low = np.zeros(2 * k)
        for gate, lots in (fixed or {}).items():
            i = int(np.searchsorted(self.live, gate))
            low[i] = high[i] = max(lots, 0.0)
            low[k + i] = high[k + i] = max(-lots, 0.0)
        h.changeColsBounds(2 * k, np.arange(2 * k, dtype=np.int32), low, high)
        best: SmallAnswer | None = None
        lower = -np.inf
        slim.age += 1
        for _ in range(rounds):
            left = slim.nodes.options.remaining()
            if left is not None and left <= 0:
                return best
            h.setOptionValue("time_limit", h.getRunTime() + (3600.0 if left is None else left))
            give_rows(h, slim.mapped[self._given :][:, self.columns], slim.sides[self._given :])
            self._given = len(slim.sides)
            h.run()
            slim.count += 1
            if h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return best
            solution = h.getSolution()
            objective = h.getInfo().objective_function_value + slim.nodes.compiled.offset
            w, dual = np.zeros(slim.many), np.asarray(solution.row_dual)
            w[self.columns] = np.asarray(solution.col_value)
            m = len(slim.keep)
            held = dual[m:]
            slim.age[: len(held)][held < 0] = 0
            # Cuts between the best point and this one cut deeper; where they leave this one, one there.
            inner = best is not None and objective > lower + 0.1 * close * abs(objective)
            at = w if best is None or not inner else (1.0 - _PART) * w + _PART * best.w
            more, short = slim.separate(at)
            worth = float(self.cost @ at) + slim.nodes.compiled.offset + short
            lower = max(lower, objective)
            if best is None or worth < best.worth:
                best = SmallAnswer(at, objective, worth, dual[:m], held)
            best.lower, best.dual, best.held = objective, dual[:m], held
            if best.worth - objective <= close * abs(best.worth) or not (more or inner):
                break
        return best

    def slopes(self, answer: SmallAnswer) -> tuple[Vector, Vector]:
        """Cost of one lot of every gate up and down at an answer's prices."""
        slim = self.slim
        held = np.zeros(len(slim.sides))
        held[: len(answer.held)] = answer.held
        d = slim.nodes.compiled.c - slim.AT @ answer.dual - held @ slim.cuts
        _, (rise, fall), _ = slim.shapes.least(d, slim.shapes.top, slim.shapes.bottom)
        return rise, fall
