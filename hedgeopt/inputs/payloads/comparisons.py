"""The venue's deltas of options and worth of collateral against ours, and its margins, which are listed where nothing here
can compare them. What no moment and no convention explains is refused: it is in another unit."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, Total
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.black76 import greeks

__all__ = ["check_delta", "check_worth", "compare_deltas", "margin_note"]

_TOLERANCE = 0.03
_TELLING, _MOST_DELTA = 0.02, 1.1
"""Deltas below this part of the position tell no sign; above the other no option's can lie."""
_DUST = 1.0
_PER_COIN = {"derive"}
_RULES = {"aave", "binance", "bybit", "deribit", "derive", "dydx", "hyperliquid", "okx"}
_MARGIN = re.compile(
    r"(?:.*\.)?(?:.*(?:initial|maintenance|maint)_?margin(?:_usd)?|imr|mmr|positionIM|positionMM|account[IM]MRate|marginUsed)",
    re.IGNORECASE,
)


def margin_note(form: Form, given: Collection[str], file: str) -> str | None:
    """Why margins that an account's payload states are not compared; None where it states none."""
    if form.compared or form.holds not in ("positions", "collateral"):
        return None
    names = sorted(name for name in given if _MARGIN.fullmatch(name))
    if not names:
        return None
    reason = (
        "it needs the market of the same moment; hedgeopt margin --book … --market … gives ours"
        if form.venue in _RULES
        else "no margin rule of this venue is packaged"
    )
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{file}: margin of {form.name} ({some}) is not compared: {reason}"


def check_delta(held: HeldLine, item: Any, quantity: float, source: str) -> None:
    """Refuse a position's delta whose sign or size its quantity excludes, whatever the market."""
    if item is None or not abs(held.delta) > _TELLING * abs(quantity) or quantity == 0.0:
        return
    per_coin = held.venue in _PER_COIN
    size = 1.0 if per_coin else quantity
    if not item.nature.option:
        return
    sign = 1.0 if item.right == "call" else -1.0
    ratio = held.delta / (size * sign)
    if -_TELLING <= ratio <= _MOST_DELTA:
        return
    where = f"{held.where}.delta".lstrip(".")
    if ratio < 0:
        problem, fix = "has the sign of the opposite position", "the sign of the quantity times + for calls, - for puts"
    else:
        problem, fix = f"is {abs(held.delta / size):.4g} per coin", "deltas lie between -1 and 1 per coin"
    raise InputError(
        f"of {held.name} {problem} (position {quantity:g})", file=source, field=where, value=held.delta, fix=fix
    )


def check_worth(found: Findings, source: str) -> None:
    """Refuse collateral whose worth in USD, as the venue states it, is not its amount at any price of its asset.

    The worth is that of everything that the account has of the asset, which may hold options that the amount leaves out.
    """
    prices: dict[str, float] = {asset: price for (_, asset), price in found.prices.items()}
    for row in found.quotes:
        if row.get("index", math.nan) > 0 and row.get("underlying"):
            prices.setdefault(str(row["underlying"]), float(row["index"]))
    for posted in found.posted:
        price, room = (1.0, 1.5) if posted.asset in dollar_assets() else (prices.get(posted.asset, math.nan), 2.0)
        whole = posted.amount if math.isnan(posted.whole) else posted.whole
        if not (price > 0 and abs(posted.usd) > _DUST and whole != 0.0):
            continue
        ratio = posted.usd / (whole * price)
        if 1.0 / room <= ratio <= room:
            continue
        raise InputError(
            f"of {posted.asset} at {posted.venue} is worth {posted.usd:,.6g} USD by the venue, and "
            f"{whole * price:,.6g} at {price:,.6g}",
            file=source,
            field=posted.where or None,
            value=whole,
            fix="amounts are coins: save the venue's reply as it came",
        )


def compare_deltas(found: Findings, quotes: pd.DataFrame) -> None:
    """Totals of ``found`` gain the delta of every option held whose quote is known; a note lists the others.

    Ours is the Black delta of the forward times the position, in coins; Derive states it per coin.
    """
    rows = {} if quotes.empty else {(row.venue, row.instrument): row for row in quotes.itertuples()}
    without = []
    for held in found.holdings:
        if not held.option or math.isnan(held.delta):
            continue
        row = rows.get((held.venue, held.name))
        ours = math.nan if row is None else _delta(row)
        units = _coins(held, found)
        if math.isnan(ours) or math.isnan(units):
            without.append(held.name)
            continue
        units = 1.0 if held.venue in _PER_COIN else units
        why = "the venue's is of another moment or another convention"
        found.totals.append(Total(f"delta of {held.name}", ours * units, held.delta, _TOLERANCE, "coins", why, room=0.5))
    if without:
        some = ", ".join(without[:3]) + (", …" if len(without) > 3 else "")
        found.notes.append(
            f"the venue's delta of {many(len(without), 'option')} ({some}) is not compared: "
            "give their quotes (and the list of instruments) too"
        )


def _coins(held: HeldLine, found: Findings) -> float:
    if held.unit == "ours":
        return held.quantity
    spec = found.specs.get((held.venue, held.name))
    return math.nan if spec is None else held.quantity * spec.multiplier


def _delta(row: object) -> float:
    forward, strike, vol = (float(getattr(row, name)) for name in ("forward", "strike", "iv"))
    right, expiry, moment = (getattr(row, name) for name in ("right", "expiry", "timestamp"))
    if not (forward > 0 and strike > 0 and vol > 0) or pd.isna(expiry) or expiry <= moment:
        return math.nan
    years = (expiry - moment).total_seconds() / (365 * 86_400)
    numbers = [np.array([value]) for value in (forward, strike, years, vol)]
    return float(greeks(numbers[0], numbers[1], numbers[2], numbers[3], np.array([right == "call"])).delta[0])
