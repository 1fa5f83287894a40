"""Implied volatility over strike and expiry for one underlying, read off chain marks without smoothing.

With log-moneyness k = ln(K/F_T) and total variance w = vol^2 T, each listed expiry is a smile w(k) through its marks:

* between strikes: the shape-preserving cubic of Fritsch & Carlson (SIAM J. Numer. Anal. 17, 1980), which never
  overshoots a mark;
* beyond the outermost strikes: linear in k with the end slope of that cubic, clipped to [0, 2]: Lee's moment formula
  (Math. Finance 14, 2004) allows total variance no more than 2 per unit of |k|; or flat with ``wings="flat"``;
* between expiries: linear in T at equal k, so calendar arbitrage is absent wherever the two smiles show none;
* before the first and after the last expiry: vol as at that expiry, at equal k.

Marks that admit arbitrage stay as they are and are listed by :meth:`VolSurface.violations`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hedgeopt.errors import InputError
from hedgeopt.models.pricing._inputs import FloatArray, broadcast, flat, positive, signs
from hedgeopt.models.surface.arbitrage import ArbitrageViolation, between_marks, find_violations, notes

Dynamics = Literal["sticky-strike", "sticky-delta"]
Wings = Literal["linear", "flat"]
LEE_BOUND = 2.0


@dataclass(frozen=True, slots=True)
class Smile:
    """The marks of one expiry: strikes ascending and their vols."""

    years: float
    forward: float
    strike: FloatArray
    vol: FloatArray

    @property
    def log_moneyness(self) -> FloatArray:
        """ln(strike/forward)."""
        return np.log(self.strike / self.forward)

    @property
    def total_variance(self) -> FloatArray:
        """vol^2 years."""
        return self.vol**2 * self.years


@dataclass(frozen=True, slots=True)
class VolSurface:
    """Smiles by ascending expiry with the interpolation rules of this module; immutable."""

    smiles: tuple[Smile, ...]
    wings: Wings
    _start: NDArray[np.int64]
    _years: FloatArray
    _node: FloatArray
    _pieces: FloatArray

    @classmethod
    def from_chain(
        cls,
        forward: ArrayLike,
        strike: ArrayLike,
        years: ArrayLike,
        vol: ArrayLike,
        is_call: ArrayLike | None = None,
        *,
        wings: Wings = "linear",
    ) -> VolSurface:
        """The surface through one chain: arrays (n,) of marks with vol > 0 a year, years > 0; one forward per expiry.

        Where a call and a put share a strike, ``is_call`` picks the side out of the money; without it the two vols
        must agree to 1e-6. Raises InputError otherwise, and for an expiry with two forwards.
        """
        if wings not in ("linear", "flat"):
            raise InputError("unknown choice", field="wings", value=wings, fix='pass "linear" or "flat"')
        side = np.zeros(()) if is_call is None else signs("is_call", is_call)
        columns = broadcast(
            forward=positive("forward", forward),
            strike=positive("strike", strike),
            years=positive("years", years, fix="drop expired options"),
            vol=positive("vol", vol, fix="drop options without a vol, or invert their price"),
            is_call=side,
        )
        forwards, strikes, tenors, marks, sides = (flat(column) for column in columns)
        if not tenors.size:
            raise InputError("no options", field="strike", value=0, fix="pass at least one mark")
        smiles = []
        for tenor in np.unique(tenors):
            at = tenors == tenor
            if np.ptp(forwards[at]) > 1e-9 * forwards[at][0]:
                fix = "give every option of an expiry the same forward"
                raise InputError(f"two forwards at years = {tenor:.6g}", field="forward", value=forwards[at], fix=fix)
            smiles.append(_smile(float(tenor), float(forwards[at][0]), strikes[at], marks[at], sides[at]))
        return cls._through(tuple(smiles), wings)

    @classmethod
    def _through(cls, smiles: tuple[Smile, ...], wings: Wings) -> VolSurface:
        sizes = [smile.strike.size for smile in smiles]
        return cls(
            smiles,
            wings,
            np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
            np.array([smile.years for smile in smiles]),
            np.concatenate([smile.log_moneyness for smile in smiles]),
            np.concatenate([_pieces(smile, LEE_BOUND if wings == "linear" else 0.0) for smile in smiles]),
        )

    def forward(self, years: ArrayLike) -> FloatArray:
        """Forward at ``years``: log-linear between expiries, the nearest expiry's forward outside them."""
        logs = np.log([smile.forward for smile in self.smiles])
        return np.exp(np.interp(positive("years", years), self._years, logs))

    def vol(self, strike: ArrayLike, years: ArrayLike, forward: ArrayLike | None = None) -> FloatArray:
        """Vol a year at strike and years > 0; ``forward`` (default: the surface's own) sets the log-moneyness."""
        from hedgeopt.models.surface._kernels import vols

        strikes, tenors, forwards = broadcast(
            strike=positive("strike", strike),
            years=positive("years", years, fix="an expired option has no vol"),
            forward=self.forward(years) if forward is None else positive("forward", forward),
        )
        out = np.empty(strikes.shape)
        vols(*self._nodes(), flat(np.log(strikes / forwards)), flat(tenors), out.reshape(-1))
        return out

    def scenario_vols(self, strike: ArrayLike, years: ArrayLike, spot_factor: ArrayLike, dynamics: Dynamics) -> FloatArray:
        """(S, N) vols of N options after S proportional spot moves; as :meth:`shifted` for each move, in one pass.

        Stored option by option, as `black76.scenario_values` stores values.
        """
        from hedgeopt.models.surface._kernels import moved_vols

        _check_dynamics(dynamics)
        strikes, tenors = broadcast(strike=positive("strike", strike), years=positive("years", years))
        if strikes.ndim != 1:
            raise InputError("must be (N,)", field="strike", value=strikes.shape, fix="pass one entry per option")
        factor = np.atleast_1d(positive("spot_factor", spot_factor))
        moves = np.zeros_like(factor) if dynamics == "sticky-strike" else np.log(factor)
        out = np.empty((strikes.size, factor.size))
        k = np.log(strikes / self.forward(tenors))
        moved_vols(*self._nodes(), flat(k), flat(tenors), flat(moves), np.argsort(-moves), out)
        return out.T

    def shifted(self, dynamics: Dynamics, spot_factor: float) -> VolSurface:
        """The surface after every forward is multiplied by ``spot_factor``.

        "sticky-strike": the vol of a listed strike stays. "sticky-delta": the vol at equal log-moneyness stays, hence
        at equal Black-76 delta as well, which depends on k and w(k) alone.
        """
        _check_dynamics(dynamics)
        factor = float(positive("spot_factor", spot_factor))
        moved = [replace(smile, forward=smile.forward * factor) for smile in self.smiles]
        if dynamics == "sticky-delta":
            moved = [replace(smile, strike=smile.strike * factor) for smile in moved]
        return self._through(tuple(moved), self.wings)

    def violations(self, tolerance: float = 1e-6) -> list[ArbitrageViolation]:
        """Butterfly, vertical and calendar arbitrage among the marks worth more than ``tolerance`` of the forward."""
        return find_violations(self, tolerance)

    def violations_between_marks(self, tolerance: float = 1e-6) -> list[ArbitrageViolation]:
        """Butterflies of the interpolated smile between listed strikes worth more than ``tolerance`` of the forward."""
        return between_marks(self, tolerance)

    def notes(self, tolerance: float = 1e-3) -> list[str]:
        """One line per kind of arbitrage, among the marks and between them, worth more than ``tolerance`` of the forward."""
        return notes(self, tolerance)

    def _nodes(self) -> tuple[NDArray[np.int64], FloatArray, FloatArray, FloatArray]:
        return self._start, self._years, self._node, self._pieces


def _smile(years: float, forward: float, strike: FloatArray, vol: FloatArray, side: FloatArray) -> Smile:
    out_of_the_money = np.where(strike >= forward, 1.0, -1.0)
    order = np.lexsort((-side * out_of_the_money, strike))  # at equal strikes the side out of the money comes first
    strike, vol, side = strike[order], vol[order], side[order]
    first = np.concatenate(([True], strike[1:] != strike[:-1]))
    group = np.cumsum(first) - 1
    clash = ~first & ((np.abs(vol - vol[first][group]) > 1e-6) & (side == side[first][group]))
    if clash.any():
        at = int(np.argmax(clash))
        fix = "drop the duplicates, or pass is_call to keep the side out of the money"
        field = f"vol at strike {strike[at]:g}, years {years:.6g}"
        raise InputError("two vols for one strike", field=field, value=(float(vol[at - 1]), float(vol[at])), fix=fix)
    return Smile(years, forward, strike[first], vol[first])


def _pieces(smile: Smile, bound: float) -> FloatArray:
    """(n + 1, 5): anchor and coefficients of the left wing, the n - 1 cubics and the right wing (see _kernels)."""
    from scipy.interpolate import PchipInterpolator

    k, w = smile.log_moneyness, smile.total_variance
    pieces = np.zeros((k.size + 1, 5))
    pieces[0, :2], pieces[-1, :2] = (k[0], w[0]), (k[-1], w[-1])
    if k.size > 1:
        cubic = PchipInterpolator(k, w)
        pieces[1:-1, 0], pieces[1:-1, 1:] = k[:-1], cubic.c[::-1].T
        slope = cubic.derivative()
        pieces[0, 2], pieces[-1, 2] = np.clip(slope(k[0]), -bound, 0.0), np.clip(slope(k[-1]), 0.0, bound)
    return pieces


def _check_dynamics(dynamics: str) -> None:
    if dynamics not in ("sticky-strike", "sticky-delta"):
        fix = 'pass "sticky-strike" or "sticky-delta"'
        raise InputError("unknown choice", field="dynamics", value=dynamics, fix=fix)
