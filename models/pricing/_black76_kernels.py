"""Compiled Black-76 loops; `hedgeopt.models.pricing.black76` checks the input and documents the formulas.

With lo = min(F, K), hi = max(F, K), x = |ln(F/K)|, s = vol sqrt(T), the out-of-the-money option is worth

    lo N(h1) - hi N(h2),  h1 = -x/s + s/2,  h2 = -x/s - s/2,  lo phi(h1) = hi phi(h2)
  = lo (1[h1 > 0] + phi(h1) (-sign(h1) m(|h1|) - m(-h2))),   m(y) = N(-y)/phi(y)

for a call and a put alike: one exponential, two Mills ratios, no difference of nearly equal exponentials. The
in-the-money side adds the intrinsic value, so put-call parity holds to the last bit and deep wings keep their digits.
Below s = SMALL the difference of the two Mills ratios loses digits and its Taylor series in s takes over.
"""

from __future__ import annotations

import math

import numpy as np

from hedgeopt.models.compiled import compiled
from hedgeopt.models.pricing._arithmetic import INV_SQRT_2PI, MILLS_SHIFT, exp, fma, inline, log_ratio, mills

SMALL = 1e-4
TINY = 1e-150  # replaces zero in a divisor: x/TINY is finite and its square does not overflow
TILE = 1024  # scenarios per pass: five rows of 8 kB stay in the first- and second-level caches

kernel = compiled(error_model="numpy", nogil=True)


@inline
def otm_share(h: float, s: float) -> float:
    """Out-of-the-money value / lo, given h = x/s and s."""
    h1 = fma(0.5, s, -h)
    y1, y2 = abs(h1), fma(0.5, s, h)
    m1, m2 = mills(y1, 1.0 / (y1 + MILLS_SHIFT)), mills(y2, 1.0 / (y2 + MILLS_SHIFT))
    density = INV_SQRT_2PI * exp(-0.5 * h1 * h1)
    signed, base = (-m1, 1.0) if h1 > 0.0 else (m1, 0.0)
    return max(fma(density, signed - m2, base), 0.0)


@kernel
def small_share(h: float, s: float) -> float:
    """Out-of-the-money value / lo for 0 < s < SMALL: phi(h1) times the Taylor series of m(h - s/2) - m(h + s/2).

    With a = -m'(h) = 1 - h m(h) and t = s/2 the difference is s (a + t^2/6 (a(3 + h^2) - 1)) + O(s^5).
    """
    t = 0.5 * s
    a = 1.0 - h * mills(h, 1.0 / (h + MILLS_SHIFT))
    density = INV_SQRT_2PI * exp(-0.5 * (h - t) * (h - t))
    return max(density * s * (a + t * t / 6.0 * (a * (3.0 + h * h) - 1.0)), 0.0)


@kernel
def price_loop(forward, strike, years, vol, sign, out):  # type: ignore[no-untyped-def]
    """Fill out (n,) with undiscounted prices; sign is +1 for a call, -1 for a put."""
    small = 0
    for i in range(out.size):
        F, K = forward[i], strike[i]
        s = vol[i] * math.sqrt(years[i])
        x = abs(log_ratio(F, K))
        small += 1 if s < SMALL else 0
        out[i] = fma(min(F, K), otm_share(x * (1.0 / max(s, TINY)), s), max(sign[i] * (F - K), 0.0))
    if small:
        for i in range(out.size):
            F, K = forward[i], strike[i]
            s = vol[i] * math.sqrt(years[i])
            if 0.0 < s < SMALL:
                x = abs(log_ratio(F, K))
                out[i] = fma(min(F, K), small_share(x / max(s, TINY), s), max(sign[i] * (F - K), 0.0))


@kernel
def greeks_tile(forward, strike, years, vol, sign, tile):  # type: ignore[no-untyped-def]
    """Fill tile (8 * TILE,) with price, delta, gamma, vega, theta, vanna, volga, dual delta.

    One flat array with constant offsets: with eight arrays LLVM would need too many overlap checks to vectorise.
    Returns how many have vol sqrt(T) below SMALL.
    """
    small = 0
    for j in range(forward.size):
        F, K, side = forward[j], strike[j], sign[j]
        root = math.sqrt(years[j])
        s = vol[j] * root
        x = abs(log_ratio(F, K))
        small += 1 if s < SMALL else 0
        lo = min(F, K)
        inverse_s, inverse_fk = 1.0 / max(s, TINY), 1.0 / (F * K)
        inverse_f = K * inverse_fk
        h = x * inverse_s
        h1, y2 = fma(0.5, s, -h), fma(0.5, s, h)
        y1 = abs(h1)
        density = INV_SQRT_2PI * exp(-0.5 * h1 * h1)
        m1, m2 = mills(y1, 1.0 / (y1 + MILLS_SHIFT)), mills(y2, 1.0 / (y2 + MILLS_SHIFT))
        signed, base = (-m1, 1.0) if h1 > 0.0 else (m1, 0.0)
        value = fma(lo, max(fma(density, signed - m2, base), 0.0), max(side * (F - K), 0.0))
        tail = density * m1  # N(-|h1|)
        near, not_near = (1.0 - tail, tail) if h1 > 0.0 else (tail, 1.0 - tail)  # N(h1), N(-h1)
        far = density * m2 * (lo * lo * inverse_fk)  # N(h2); phi(h2) = phi(h1) lo/hi
        above = F >= K
        d1, d2 = (y2, -h1) if above else (h1, -y2)
        n1, other1 = (1.0 - far, far) if above else (near, not_near)  # N(d1), N(-d1)
        n2, other2 = (not_near, near) if above else (far, 1.0 - far)  # N(d2), N(-d2)
        mass = lo * density if s > 0.0 else 0.0  # F phi(d1) = K phi(d2)
        vega = mass * root
        inverse_vol = root * inverse_s
        at = np.uint64(j)  # unsigned: numba would wrap a signed j + offset around, and that test blocks SIMD
        tile[at] = value
        tile[at + np.uint64(TILE)] = n1 if side > 0.0 else -other1
        tile[at + np.uint64(2 * TILE)] = mass * inverse_s * inverse_f * inverse_f
        tile[at + np.uint64(3 * TILE)] = vega
        tile[at + np.uint64(4 * TILE)] = -0.5 * mass * vol[j] * vol[j] * inverse_s
        tile[at + np.uint64(5 * TILE)] = -mass * inverse_f * d2 * inverse_vol
        tile[at + np.uint64(6 * TILE)] = vega * d1 * d2 * inverse_vol
        tile[at + np.uint64(7 * TILE)] = -n2 if side > 0.0 else other2
    return small


@kernel
def greeks_loop(forward, strike, years, vol, sign, out):  # type: ignore[no-untyped-def]
    """Fill out (8, n), rows as in greeks_tile."""
    tile = np.empty(8 * TILE)
    small = 0
    for start in range(0, forward.size, TILE):
        stop = min(start + TILE, forward.size)
        part = slice(start, stop)
        small += greeks_tile(forward[part], strike[part], years[part], vol[part], sign[part], tile)
        for k in range(8):
            row, source = out[k][part], tile[k * TILE : (k + 1) * TILE]
            for j in range(row.size):
                row[j] = source[j]
    if small:
        for i in range(forward.size):
            s = vol[i] * math.sqrt(years[i])
            if 0.0 < s < SMALL:
                F, K = forward[i], strike[i]
                share = small_share(abs(log_ratio(F, K)) / max(s, TINY), s)
                out[0, i] = fma(min(F, K), share, max(sign[i] * (F - K), 0.0))


@kernel
def still_row(factor, log_factor, up, inverse_up, F, K, side, log_fk, s, i, out):  # type: ignore[no-untyped-def]
    """One option over a tile of scenarios; s and i hold (base, low, high) of vol sqrt(T) and of its reciprocal."""
    s0, s_low, s_high = s
    i0, i_high, i_low = i
    for j in range(out.size):
        total = min(max(s0 * up[j], s_low), s_high)
        h = abs(log_factor[j] + log_fk) * min(max(i0 * inverse_up[j], i_low), i_high)
        f = F * factor[j]
        out[j] = fma(min(f, K), otm_share(h, total), max(side * (f - K), 0.0))


@kernel
def tilted_row(factor, log_factor, up, tilt, F, K, side, log_fk, s, out):  # type: ignore[no-untyped-def]
    """As still_row, with the vol tilted in proportion to log-moneyness."""
    s0, s_low, s_high = s
    for j in range(out.size):
        x = log_factor[j] + log_fk
        total = min(max(fma(tilt[j], -x, s0 * up[j]), s_low), s_high)
        f = F * factor[j]
        out[j] = fma(min(f, K), otm_share(abs(x) / max(total, TINY), total), max(side * (f - K), 0.0))


@kernel
def small_row(factor, log_factor, up, tilt, F, K, side, log_fk, s, out):  # type: ignore[no-untyped-def]
    """Overwrite the scenarios whose vol sqrt(T) is in (0, SMALL)."""
    s0, s_low, s_high = s
    for j in range(out.size):
        x = log_factor[j] + log_fk
        total = min(max(fma(tilt[j], -x, s0 * up[j]), s_low), s_high)
        if 0.0 < total < SMALL:
            f = F * factor[j]
            share = small_share(abs(x) / max(total, TINY), total)
            out[j] = fma(min(f, K), share, max(side * (f - K), 0.0))


@kernel
def group_rows(spot, log_vol, basis, weight, years, factor, log_factor, up, inverse_up):  # type: ignore[no-untyped-def]
    """Fill the tile's rows shared by a group of options: forward factor, its logarithm, vol factor, its reciprocal."""
    for j in range(spot.size):
        factor[j] = spot[j]
        log_factor[j] = log_ratio(spot[j], 1.0)
        shift = min(max(log_vol[j] * weight, -700.0), 700.0)
        up[j], inverse_up[j] = exp(shift), exp(-shift)
    for j in range(basis.size):
        carry = min(basis[j] * years, 700.0)
        factor[j] *= exp(carry)
        log_factor[j] += carry


@kernel
def scenario_loop(  # type: ignore[no-untyped-def]
    first, last, order, forward, strike, years, vol, sign, weight, underlying, group,
    spot, log_vol, basis, skew, vol_floor, vol_cap, out,
):  # fmt: skip
    """Fill rows order[first:last] of out (N, S); spot, log_vol (U, S); basis, skew (U, S), or (U, 0) for none.

    Options come sorted by group (same underlying, weight and, under basis or skew, years), so that the exponentials
    and logarithms of a scenario are taken once per group and tile.
    """
    rows = np.zeros((5, TILE))
    for start in range(0, spot.shape[1], TILE):
        stop = min(start + TILE, spot.shape[1])
        count = stop - start  # rows[k][:count], not rows[:, :count]: a contiguous array type, else no SIMD
        factor, log_factor, up = rows[0][:count], rows[1][:count], rows[2][:count]
        inverse_up, tilt = rows[3][:count], rows[4][:count]
        lowest = 0.0
        current = -1
        for position in range(first, last):
            i = order[position]
            u, root = underlying[i], math.sqrt(max(years[i], 0.0))
            if group[i] != current:
                current = group[i]
                group_rows(
                    spot[u][start:stop], log_vol[u][start:stop], basis[u][start:stop], weight[i], years[i],
                    factor, log_factor, up, inverse_up,
                )  # fmt: skip
                lowest = up.min()
                slope = root / math.sqrt(max(years[i], 1.0 / 365.0))
                for j in range(skew[u][start:stop].size):
                    tilt[j] = skew[u, start + j] * slope
            F, K, side = forward[i], strike[i], sign[i]
            log_fk = log_ratio(F, K)
            s = (vol[i] * root, vol_floor * root, vol_cap * root)
            out_row = out[i][start:stop]
            if skew.shape[1]:
                tilted_row(factor, log_factor, up, tilt, F, K, side, log_fk, s, out_row)
                smallest = s[1]
            else:
                inverse = (1.0 / max(s[0], TINY), 1.0 / max(s[1], TINY), 1.0 / max(s[2], TINY))
                still_row(factor, log_factor, up, inverse_up, F, K, side, log_fk, s, inverse, out_row)
                smallest = max(s[0] * lowest, s[1])
            if root > 0.0 and smallest < SMALL:
                small_row(factor, log_factor, up, tilt, F, K, side, log_fk, s, out_row)
