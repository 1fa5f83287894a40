"""Solve cuts, and turn the solver's duals into an exact bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from hedgeopt.models.separable import Separable
from hedgeopt.program.balance import balance
from hedgeopt.program.cut_arrays import CutArrays
from hedgeopt.program.cut_proof import CutRow, Proof, own_part

__all__ = ["CutModel"]

_HOLDS = 1e-9


class CutModel(CutArrays):
    """The cuts of a program as arrays, and their optimum."""

    def solve(self) -> Proof | str:
        """The optimum and the bound that its duals prove, or why there is none: "infeasible" (unproven) or "failed"."""
        quadratic = [k for k, square in enumerate(self.cuts.squares) if square is not None and not self.elastic]
        cones = [row for row in self.cuts.rows.values() if row.square is not None]
        if quadratic or cones or self.own is not None:
            found = self._conic(quadratic, cones)
        else:
            found = self._linear_program()
            if found == "failed":
                found = self._conic([], [])
        return found

    def _linear_program(self) -> Proof | str:
        from scipy.optimize import linprog

        unit = float(np.abs(self.c).max(initial=0.0)) or 1.0
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "time_limit": self.cuts.seconds}
        found = linprog(self.c / unit, A_ub=self.A, b_ub=self.b, bounds=(None, None), method="highs", options=tight)
        if found.status != 0:
            return "infeasible" if found.status == 2 else "failed"
        duals = -np.asarray(found.ineqlin.marginals) * unit
        return self._proof(np.asarray(found.x), duals, {}, None)

    def _conic(self, quadratic: Sequence[int], cones: Sequence[CutRow]) -> Proof | str:
        """By Clarabel; where it ends short of its tolerance, once more with user cones balanced around that point."""
        status, v, z = self._clarabel(quadratic, cones)
        if self.own is not None and status not in ("Solved", "PrimalInfeasible", "DualInfeasible"):
            slack = self.own.right - self.own.trades @ v[: self.width] - self.own.own @ v[self.width : self.first_kink]
            if np.isfinite(slack).all():
                before, self.cuts.balance = self.cuts.balance, balance(self.own, slack)
                again = self._clarabel(quadratic, cones)
                if again[0] == "Solved":
                    status, v, z = again
                else:
                    self.cuts.balance = before
        if status == "PrimalInfeasible":
            return "infeasible"
        if status == "DualInfeasible" or not (np.isfinite(v).all() and np.isfinite(z).all()):
            return "failed"
        start = 0 if self.own is None else len(self.own.right)
        y = None if self.own is None else z[:start]
        at = start + len(self.b)
        socs = {}
        for row in cones:
            assert row.square is not None
            count = 1 + len(row.square[1])
            socs[row.place] = z[at : at + count]
            at += count
        return self._proof(v, z[start : start + len(self.b)], socs, y)

    def _clarabel(self, quadratic: Sequence[int], cones: Sequence[CutRow]) -> tuple[str, np.ndarray, np.ndarray]:
        """Its status, variables, and duals of user rows, inequalities and squares in turn."""
        import clarabel

        P = sp.csc_array((self.total, self.total))
        c = self.c.copy()
        for k in quadratic:
            factor, offset = self._square(k)
            wide = self._spread(factor)
            weight = self.cuts.program.objective_terms[k][0]
            P = P + 2.0 * weight * (wide.T @ wide)
            c += 2.0 * weight * (wide.T @ offset)
        blocks, rights, kinds = [], [], []
        turn = self.cuts.balance
        if self.own is not None:
            wide = sp.hstack(
                [self.own.trades, self.own.own, sp.csc_array((len(self.own.right), self.total - self.first_kink))]
            )
            right = self.own.right - self.inwards * self.own.inwards()
            blocks.append(wide if turn is None else turn @ wide)
            rights.append(right if turn is None else turn @ right)
            kinds += [_cone(kind, rows, parameter) for kind, rows, parameter in self.own.cones]
        even = 1.0 / np.maximum(1.0, np.abs(self.b))
        blocks.append(sp.diags_array(even) @ self.A)
        rights.append(even * self.b)
        kinds.append(clarabel.NonnegativeConeT(len(self.b)))
        for row in cones:
            assert row.square is not None
            factor, offset, limit = row.square
            allowed = max(limit - self.tighten.get(row.place, 0.0), 0.0) ** 0.5
            size = max(limit, 1e-300) ** 0.5
            wide = self._spread(factor * self.scale) * (-1.0 / size)
            first = sp.lil_array((1, self.total))
            if self.elastic:
                first[0, self.excess] = -1.0
            blocks.append(sp.vstack([sp.csc_array(first), wide]))
            rights.append(np.concatenate([[allowed], offset]) / size)
            kinds.append(clarabel.SecondOrderConeT(1 + len(offset)))
        unit = max(float(np.abs(c).max(initial=0.0)), 1e-300)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.time_limit = self.cuts.seconds
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
        settings.max_iter = 200
        answer = clarabel.DefaultSolver(
            sp.csc_matrix(sp.triu(P / unit)),
            c / unit,
            sp.csc_matrix(sp.vstack(blocks)),
            np.concatenate(rights),
            kinds,
            settings,
        ).solve()
        v, z = np.array(answer.x), np.array(answer.z) * unit
        start = 0 if self.own is None else len(self.own.right)
        if turn is not None:
            z[:start] = turn.T @ z[:start]
        z[start : start + len(self.b)] *= even
        return str(answer.status), v, z

    def _proof(
        self, v: np.ndarray, duals: np.ndarray, socs: Mapping[tuple[int, int], np.ndarray], y: np.ndarray | None
    ) -> Proof:
        """Weak duality with these duals, made exact, on the cuts themselves."""
        n, e, parts = self.n, self.cuts.e, self.cuts.program.objective_terms
        net = v[:n] if self.own is None else v[:n] - v[n : 2 * n]
        x = np.clip(self.scale * net, self.cuts.box.lower, self.cuts.box.upper)
        shares: dict[int, np.ndarray] = {k: np.zeros(len(cuts)) for k, cuts in enumerate(self.cuts.terms)}
        total = Separable(np.zeros(n))
        prices: dict[tuple[int, int], float] = {}
        for name, dual, size in zip(self.names, duals, self.sizes, strict=True):
            if name is None or not dual > 0:
                continue
            kind, (place, i) = name
            if kind == "term":
                shares[place][i] = dual
            else:
                total += self.cuts.rows[place].cuts[i].scaled(float(dual / size))
                prices[place] = prices.get(place, 0.0) + float(dual / size)
        for k, (weight, _, bound) in enumerate(parts if not self.elastic else []):
            mine = self.cuts.terms[k]
            if self.cuts.squares[k] is not None:
                total += bound.minorant(e, x, {}).scaled(weight)
                continue
            share = shares[k] / shares[k].sum() if shares[k].sum() > 0 else np.full(len(mine), 1.0 / len(mine))
            for part, cut in zip(share, mine, strict=True):
                if part > 0:
                    total += cut.scaled(weight * float(part))
        for place, z in socs.items():
            square = self.cuts.rows[place].square
            assert square is not None
            factor, offset, limit = square
            size = max(limit, 1e-300) ** 0.5
            z0 = max(float(z[0]), float(np.linalg.norm(z[1:])) * (1 + 4e-16))
            prices[place] = 0.5 * z0 / size / max(limit, 1e-300) ** 0.5
            # z0 sqrt(limit) + z1 (F x + f) >= 0 wherever the norm of F x + f is at most sqrt(limit)
            total += Separable(-(z[1:] @ factor) / size, -(z0 * max(limit, 0.0) ** 0.5 + float(z[1:] @ offset)) / size)
        loss = room = 0.0
        if self.own is not None and y is not None:
            own = v[2 * n : 2 * n + self.own.own.shape[1]]
            part, loss = own_part(self.own, y, own, self.scale, self.cuts.box, total.both)
            total += part
            room = _HOLDS * float(np.abs(y) @ (1.0 + np.abs(self.own.right)))
        return Proof(total.minimum(self.cuts.box.lower, self.cuts.box.upper) - loss, x, prices, room)


def _cone(kind: str, rows: int, parameter: Any) -> Any:
    import clarabel

    if kind == "zero":
        return clarabel.ZeroConeT(rows)
    if kind == "nonneg":
        return clarabel.NonnegativeConeT(rows)
    if kind == "soc":
        return clarabel.SecondOrderConeT(rows)
    if kind == "exp":
        return clarabel.ExponentialConeT()
    if kind == "psd":
        return clarabel.PSDTriangleConeT(parameter)
    return clarabel.PowerConeT(parameter) if kind == "power" else clarabel.GenPowerConeT(list(parameter), 1)
