"""Black-76 implied volatility, down to the smallest representable prices.

Plain Newton on the price fails in the wings, where the price is flat in vol. As in Jäckel, "Let's be rational"
(Wilmott 2015 no. 75, 40-53), the option is first reduced to its out-of-the-money side and normalised; the root is
then sought on the logarithm of the smaller of share and 1 - share, with share = time value / min(F, K), by
third-order Householder steps kept inside a bracket. The first guess inverts the bound share <= N(h1), which is exact
in both limits. The published package of Jäckel's code (py_lets_be_rational,
pure Python) is the independent reference in the tests; the timing of both is in ``python -m benchmarks valuation``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hedgeopt.errors import InputError
from hedgeopt.models.pricing._inputs import FloatArray, broadcast, finite, flat, positive, signs


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    *,
    errors: Literal["raise", "nan"] = "raise",
) -> FloatArray:
    """The vol a year (0.6 is 60 %) at which :func:`~hedgeopt.models.pricing.black76.black76_price` equals ``price``.

    price is undiscounted, in the unit of the forward (multiply a coin price by the forward); forward, strike and
    years > 0. A price implies a vol only strictly between the intrinsic value and its bound (forward for a call,
    strike for a put); elsewhere InputError names the first such entry, or with ``errors="nan"`` that entry is NaN.
    A NaN price counts as such an entry. All other bad input raises in either mode.

    The result reprices to the last digits of the *time value*: for options in the money that is
    price - intrinsic, so an in-the-money price with little time value determines its vol only that far.
    """
    from hedgeopt.models.pricing._implied_vol_kernels import implied_loop

    if errors not in ("raise", "nan"):
        raise InputError("unknown choice", field="errors", value=errors, fix='pass "raise" or "nan"')
    if errors == "raise":
        quoted = finite("price", price, fix='drop the row or pass errors="nan"')
    else:
        quoted = np.asarray(price, dtype=np.float64)
    prices, forwards, strikes, tenors, sides = broadcast(
        price=quoted,
        forward=positive("forward", forward),
        strike=positive("strike", strike),
        years=positive("years", years, fix="drop expired options: their price does not depend on vol"),
        is_call=signs("is_call", is_call),
    )
    out = np.empty(prices.shape)
    implied_loop(flat(prices), flat(forwards), flat(strikes), flat(tenors), flat(sides), out.reshape(-1))
    if errors == "raise" and np.isnan(out).any():
        at = np.unravel_index(int(np.argmax(np.isnan(out))), out.shape)
        low = max(float(sides[at] * (forwards[at] - strikes[at])), 0.0)
        high = float(forwards[at] if sides[at] > 0 else strikes[at])
        entry = f"price[{', '.join(str(int(k)) for k in at)}]" if at else "price"
        problem = f"implies no vol: it must lie strictly between intrinsic value {low!r} and {high!r}"
        raise InputError(problem, field=entry, value=float(prices[at]), fix='drop the row or pass errors="nan"')
    return out
