"""Quotes that pay for certain: options and futures of one expiry whose worst outcome is a gain, fees counted.

In dollars at expiry everything of one coin and one expiry is piecewise linear in the price S: options pay ``max(S - K, 0)``,
a premium paid in coins is ``-p S``, one in dollars ``-p``, a future entered at F is ``S - F``. A portfolio at quotes whose
worst outcome is a gain is found by a linear program over its legs: the outcome at S = 0, at every strike, and the slope
beyond the last are all at least ``t`` (of coins, times S; dollars of dollar-settled options), and t is maximised.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import Box, trade_box

__all__ = ["QuotedArbitrage", "quoted_arbitrage", "refuse_arbitrage"]

_LEAST, _REFUSED = 1e-4, 5e-3
"""Shares of the notional of its legs that a portfolio has to gain at least to be one, and to be refused: less is what quotes
of different seconds come to."""


@dataclass(frozen=True)
class QuotedArbitrage:
    """Legs (signed quantity, instrument, candidate) that gain whatever the price does; ``gain`` is in ``asset``."""

    underlying: str
    expiry: str
    legs: tuple[tuple[float, str, int], ...]
    gain: float
    asset: str
    usd: float
    notional: float

    @property
    def sentence(self) -> str:
        """Such as ``quotes of BTC 2026-03-13 gain at least 0.4 BTC (27,000 USD) whatever BTC does: buy 1 ...``."""
        legs = ", ".join(f"{'buy' if x > 0 else 'sell'} {plain_number(abs(x))} {name}" for x, name, _ in self.legs)
        return (
            f"quotes of {self.underlying} {self.expiry} gain at least {plain_number(self.gain)} {self.asset} "
            f"({plain_number(self.usd)} USD) whatever {self.underlying} does: {legs}"
        )


def quoted_arbitrage(e: Exposures, box: Box) -> list[QuotedArbitrage]:
    """Per coin, settlement and expiry the portfolio of quotes that gains most for certain, largest first."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(e.candidate.tolist()):
        item = e.rows.instruments[row]
        if getattr(item, "expiry", None) is not None and (item.nature.option or item.nature.payoff == "linear"):
            groups[item.underlying, item.settlement, f"{item.expiry:%Y-%m-%d}"].append(i)
    found = []
    for (coin, settlement, day), at in groups.items():
        if any(e.rows.instruments[e.candidate[i]].nature.option for i in at):
            one = _best(e, box, coin, settlement, day, at)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: -one.usd)


def refuse_arbitrage(policy: Policy, e: Exposures) -> None:
    """Refuse quotes that pay for certain: the best trades would be as many of them as sizes allow.

    Raises
    ------
    InputError
        Names the legs, what they gain, and the line that leaves them out.
    """
    found = [one for one in quoted_arbitrage(e, trade_box(policy, e)) if one.usd > _REFUSED * one.notional]
    if found:
        names = sorted({name for one in found for _, name, _ in one.legs})
        listed = ", ".join(f'"{name}"' for name in names[:12])
        raise InputError(
            f"{found[0].sentence}" + (f" (and {len(found) - 1} more such)" if found[1:] else ""), file="market",
            field="bid_price, ask_price", fix=f"check these quotes, or leave them out: candidates.do_not_trade = [{listed}]",
        )  # fmt: skip


def _best(e: Exposures, box: Box, coin: str, settlement: str, day: str, at: list[int]) -> QuotedArbitrage | None:
    from scipy.optimize import linprog

    spot, paid = e.price(coin), e.price(settlement)
    in_coins = settlement == coin
    strikes = sorted({float(s) for i in at if (s := getattr(e.rows.instruments[e.candidate[i]], "strike", None))})
    points = np.array([0.0, *strikes])
    legs: list[tuple[int, float, float, np.ndarray, float]] = []
    for i in at:
        for sign, room in ((1.0, box.upper[i]), (-1.0, -box.lower[i])):
            made = _leg(e, i, sign, points, spot, paid, in_coins)
            if room > 0.0 and made is not None:
                legs.append((i, sign, float(room), *made))
    if len(legs) < 2:
        return None
    values = np.array([leg[3] for leg in legs]).T  # at every point
    slopes = np.array([leg[4] for leg in legs])
    want = points if in_coins else np.ones(len(points))
    notional = np.array([abs(e.rows.notional[e.candidate[leg[0]]]) for leg in legs])
    most = np.array([leg[2] for leg in legs])
    unit = float(np.max(notional * most))
    matrix = np.vstack([np.hstack([-values, want[:, None]]), np.append(-slopes, 1.0 if in_coins else 0.0)[None, :]])
    scale = spot if in_coins else 1.0
    matrix[:, -1] *= unit / scale
    # trades in shares of the largest leg's size, so that numbers are near one
    columns = np.append(unit / notional, 1.0)
    bounds = [(0.0, float(m * n / unit)) for m, n in zip(most, notional, strict=True)] + [(0.0, None)]
    cost = np.zeros(len(columns))
    cost[-1] = -1.0
    rows = matrix * np.append(columns[:-1], 1.0) / unit
    got = linprog(cost, A_ub=rows, b_ub=np.zeros(len(rows)), bounds=bounds, method="highs")
    if got.x is None or not got.x[-1] > 0.0:
        return None
    size = got.x[:-1] * columns[:-1]
    gain = float(got.x[-1] * unit / scale)
    usd = gain * (spot if in_coins else paid)
    if usd < _LEAST * float(notional @ size):
        return None
    told = tuple(
        (float(leg[1] * amount), str(e.rows.instruments[e.candidate[leg[0]]].name), leg[0])
        for leg, amount in zip(legs, size, strict=True)
        if amount * abs(e.rows.notional[e.candidate[leg[0]]]) > 1e-6 * unit
    )
    return QuotedArbitrage(coin, day, told, gain, settlement, usd, float(notional @ size))


def _leg(
    e: Exposures, i: int, sign: float, points: np.ndarray, spot: float, paid: float, in_coins: bool
) -> tuple[np.ndarray, float] | None:
    """USD at expiry at every point and the slope beyond the last, of one unit bought or sold at its quote, fee counted."""
    row = int(e.candidate[i])
    item: Any = e.rows.instruments[row]
    quote = float(e.rows.ask[row] if sign > 0 else e.rows.bid[row])
    if not (np.isfinite(quote) and quote > 0.0):
        return None
    fee = float(e.fee[i]) / paid  # in the settlement asset
    if item.nature.option:
        call = item.right == "call"
        pays = np.maximum(points - item.strike, 0.0) if call else np.maximum(item.strike - points, 0.0)
        price = sign * quote + fee
        if in_coins:
            return sign * pays - price * points, (sign if call else 0.0) - price
        return sign * pays - price * paid, sign if call else 0.0
    if item.nature.inverse and getattr(item, "inverse", False):
        per = 1.0 / quote  # one USD of contract
        return sign * (points * per - 1.0) - fee * points, sign * per - fee
    flat = fee * points if in_coins else np.full(len(points), fee * paid)
    return sign * (points - quote) - flat, sign - (fee if in_coins else 0.0)
