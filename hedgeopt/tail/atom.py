"""The weighted CVaR atom: ``cvar(losses, beta, probabilities)`` as an ordinary cvxpy expression."""

from __future__ import annotations

from typing import TypeAlias

import cvxpy as cp
import numpy as np
from cvxpy.atoms.atom import Atom
from cvxpy.reductions.dcp2cone import canonicalizers
from numpy.typing import NDArray

from hedgeopt.errors import InputError

Probabilities: TypeAlias = NDArray[np.float64] | cp.Parameter | None


class CVaRAtom(Atom):
    """Weighted CVaR of a loss vector; build it with :func:`cvar`."""

    # Stored before Atom.__init__, which validates.
    def __init__(self, losses: cp.Expression, beta: float, probabilities: Probabilities = None) -> None:
        self.beta = float(beta)
        self.probabilities = probabilities
        super().__init__(losses)

    def validate_arguments(self) -> None:
        """One-dimensional losses, 0 <= beta < 1, probabilities non-negative of the same length."""
        if not 0 <= self.beta < 1:
            raise InputError("the confidence level must lie in [0, 1)", field="beta", value=self.beta)
        shape = self.args[0].shape
        if len(shape) != 1 or shape[0] == 0:
            raise InputError("losses must be a non-empty one-dimensional expression", field="losses", value=shape)
        p = self.probabilities
        if p is None:
            return
        if p.shape != shape:
            raise InputError(f"probabilities must have shape {shape}", field="probabilities", value=p.shape)
        if isinstance(p, cp.Parameter):
            if not p.is_nonneg():
                raise InputError("a probabilities Parameter must be declared nonneg=True", field="probabilities")
        else:
            checked_probabilities(p)

    def weights(self) -> NDArray[np.float64]:
        """Current probabilities, shape (S,), summing to one."""
        p = self.probabilities
        if p is None:
            return np.full(self.args[0].size, 1.0 / self.args[0].size)
        value = p.value if isinstance(p, cp.Parameter) else p
        if value is None:
            raise InputError("the probabilities Parameter has no value", field="probabilities")
        return checked_probabilities(value)

    def numeric(self, values: list[NDArray[np.float64]]) -> float:
        """CVaR of numeric losses."""
        return cvar_value(np.asarray(values[0], dtype=float), self.weights(), self.beta)[0]

    def shape_from_args(self) -> tuple[int, ...]:
        """A scalar."""
        return ()

    def sign_from_args(self) -> tuple[bool, bool]:
        """The sign of the losses."""
        return self.args[0].is_nonneg(), self.args[0].is_nonpos()

    def is_atom_convex(self) -> bool:
        """CVaR is convex in the losses."""
        return True

    def is_atom_concave(self) -> bool:
        """CVaR is not concave."""
        return False

    def is_incr(self, idx: int) -> bool:
        """CVaR does not fall when a loss rises."""
        return True

    def is_decr(self, idx: int) -> bool:
        """CVaR is not decreasing."""
        return False

    def is_pwl(self) -> bool:
        """CVaR of piecewise-linear losses is piecewise linear."""
        return bool(self.args[0].is_pwl())

    def get_data(self) -> list[object]:
        """Beta and probabilities, so that cvxpy can copy the atom."""
        return [self.beta, self.probabilities]

    def parameters(self) -> list[cp.Parameter]:
        """The losses' parameters and, where it is one, the probabilities."""
        own = [self.probabilities] if isinstance(self.probabilities, cp.Parameter) else []
        return [*super().parameters(), *own]

    def _grad(self, values: list[NDArray[np.float64]]) -> list[object]:
        import scipy.sparse as sp

        losses = np.asarray(values[0], dtype=float)
        q = cvar_value(losses, self.weights(), self.beta)[2]
        return [sp.csc_array(q.reshape(-1, 1))]


def cvar(losses: cp.Expression, beta: float, probabilities: Probabilities = None) -> CVaRAtom:
    r"""Conditional value at risk of scenario losses, with scenario probabilities.

    .. math:: \mathrm{CVaR}_\beta(L) = \min_\alpha\; \alpha + \tfrac{1}{1-\beta}\sum_s p_s (L_s - \alpha)_+
              = \max_q \{ q^\top L : 0 \le q_s \le p_s/(1-\beta),\ \mathbf 1^\top q = 1 \}

    The mean of the worst ``1 - beta`` of the probability mass; a scenario that straddles the quantile counts by
    the fraction that lies beyond it (Rockafellar & Uryasev 2000 and 2002), so ``(1 - beta) S`` need not be an integer.

    Parameters
    ----------
    losses
        Affine (for ``method="tail"``) or convex expression of shape (S,); positive is a loss, any unit.
    beta
        Confidence level in [0, 1); 0.99 averages the worst 1 %.
    probabilities
        (S,) array, or ``cp.Parameter(S, nonneg=True)``; must sum to one. Equal weights when omitted.

    Raises
    ------
    InputError
        Wrong shape, beta outside [0, 1), negative probabilities or ones that do not sum to one.
    """
    try:
        losses = CVaRAtom.cast_to_const(losses)
        if isinstance(losses, cp.Constant):
            np.asarray(losses.value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        fix = "give a cvxpy expression of shape (S,)"
        raise InputError("is no expression", field="losses", value=type(losses).__name__, fix=fix) from None
    if isinstance(beta, bool) or not isinstance(beta, int | float | np.integer | np.floating):
        raise InputError("must be a number", field="beta", value=type(beta).__name__, fix="such as 0.99")
    if probabilities is not None and not isinstance(probabilities, cp.Parameter):
        probabilities = np.asarray(probabilities, dtype=float)
    return CVaRAtom(losses, beta, probabilities)


def checked_probabilities(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities scaled to sum to exactly one, after checking that they nearly do."""
    p = np.asarray(p, dtype=float)
    total = float(p.sum())
    if not np.all(np.isfinite(p)) or p.min() < 0:
        raise InputError("probabilities must be finite and non-negative", field="probabilities")
    if abs(total - 1.0) > 1e-6:
        raise InputError("probabilities must sum to one", field="probabilities", value=total)
    return p / total


def cvar_value(losses: NDArray[np.float64], p: NDArray[np.float64], beta: float) -> tuple[float, float, NDArray[np.float64]]:
    """CVaR, VaR level and a maximising weight vector q of numeric losses (see :func:`cvar`)."""
    caps = p / (1.0 - beta)
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate(([0.0], np.cumsum(caps[order])[:-1]))
    q = np.zeros_like(losses)
    q[order] = np.clip(1.0 - before, 0.0, caps[order])
    used = np.flatnonzero(q)
    return float(q @ losses / q.sum()), float(losses[used].min()), q


def _canonicalize(expr: CVaRAtom, args: list[cp.Expression], solver_context: object = None) -> tuple[object, list[object]]:
    """Rockafellar–Uryasev epigraph, for solvers other than ``method="tail"``."""
    losses = args[0]
    size = losses.size
    alpha, excess = cp.Variable(), cp.Variable(size)
    p = expr.probabilities if isinstance(expr.probabilities, cp.Parameter) else expr.weights()
    value = alpha + (p @ excess) / (1.0 - expr.beta)
    return value, [excess >= 0, excess >= losses - alpha]


canonicalizers.CANON_METHODS[CVaRAtom] = _canonicalize
