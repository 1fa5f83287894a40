"""Margins that a venue states, against our rules: of perpetuals one by one at the payload's marks, and of collateral."""

from __future__ import annotations

import math

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings, HeldLine, Total
from hedgeopt.models.data import about, table
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.margin.state import State
from hedgeopt.venues.known import parser

__all__ = ["bare_state", "compare_margins", "deribit_collateral"]

_TOLERANCE = 0.02
_ONE_BY_ONE = {"deribit": "deribit_standard", "derive": "derive_standard"}
_LEVERAGED = ("binance", "bybit", "hyperliquid")


def bare_state(venue: str, assets: dict[str, float], item: object = None, mark: float = 1.0, index: float = 1.0) -> State:
    """A perpetual or future (or none) and collateral ``assets`` by price, without a market."""
    n = 0 if item is None else 1
    inverse = bool(getattr(item, "inverse", False))
    blank, one = np.full(n, np.nan), np.ones(n)
    return State(
        venue=venue,
        account="payload",
        names=() if item is None else (str(getattr(item, "name", "")),),
        nature=() if item is None else (item.nature,),  # type: ignore[attr-defined]
        underlying=() if item is None else (str(item.underlying),),  # type: ignore[attr-defined]
        settlement=() if item is None else (str(item.settlement),),  # type: ignore[attr-defined]
        inverse=np.array([inverse] * n, bool),
        index=index * one,
        settlement_price=(index if inverse else 1.0) * one,
        mark=mark * one,
        value=0.0 * one,
        forward=blank,
        strike=blank,
        years=blank,
        vol=blank,
        is_call=np.ones(n, bool),
        open_interest=blank,
        assets=tuple(assets),
        prices=np.array(list(assets.values()), float),
    )


def compare_margins(found: Findings) -> None:
    """Totals of ``found`` gain the margin of every perpetual and future whose payload states it; notes name the others.

    By the venue's rule that counts positions one by one, at the leverage stated: a portfolio rule gives no position a margin
    of its own.
    """
    skipped: dict[str, list[str]] = {}
    for held in found.holdings:
        if math.isnan(held.initial) and math.isnan(held.maintenance):
            continue
        why = _compare(held, found)
        if why is not None:
            skipped.setdefault(f"{held.venue}: {why}", []).append(held.name)
    for (venue, kind, *account), theirs in found.stated.items():
        lines = [
            one for one in found.holdings if one.venue == venue and (not account or found.of(one.account) == account[0])
        ]
        mine = [getattr(held, kind) for held in lines]
        if not any(math.isnan(one) for one in mine) and (mine or theirs == 0.0):
            why = "orders and loans ask for margin too"
            found.totals.append(
                Total(f"{kind} margin of all positions at {venue}", sum(mine), theirs, 0.01, why=why, side=1)
            )
        elif theirs:
            found.notes.append(
                f"{kind} margin at {venue} ({theirs:,.8g} USD) is not compared: the payloads list no positions with theirs"
            )
    for why, names in skipped.items():
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        found.notes.append(f"margin of {many(len(names), 'position')} ({some}) is not compared at {why}")


def _compare(held: HeldLine, found: Findings) -> str | None:
    rule = found.margins.get((held.venue, held.account), "standard")
    if held.option:
        return "options need the market of the same moment; hedgeopt margin --book … --market … gives ours"
    if held.venue in _LEVERAGED:
        whole = held.leverage == held.leverage and held.leverage >= 1.0 and float(held.leverage).is_integer()
        name = f"{held.venue}:{int(held.leverage)}" if whole else held.venue
    elif held.venue in _ONE_BY_ONE and rule in ("standard", "deribit_standard", "derive_standard"):
        name = _ONE_BY_ONE[held.venue]
    else:
        return f"margin {rule} counts the account as a whole; hedgeopt margin --book … --market … gives ours"
    try:
        item = parser(held.venue)(held.name)
        index = held.index if held.index == held.index else held.mark
        state = bare_state(held.venue, {}, item, held.mark, index)
        quantity = held.quantity if held.unit == "ours" else math.nan
        if math.isnan(quantity) or math.isnan(held.mark):
            return "its size in our units, or its mark, is not in the payload"
        need = margin_model(name, held.venue).requirement(state, np.array([quantity]), np.zeros(0))
    except InputError as error:
        return error.problem
    notional = abs(quantity) * float(state.notional[0])
    for kind, ours, theirs in (("initial", need.initial, held.initial), ("maintenance", need.maintenance, held.maintenance)):
        if theirs == theirs:
            share = theirs / notional if notional else 0.0
            day = about(held.venue).as_of
            why = (
                f"the venue's is {share:.2%} of the notional, and margin {name} of {day} {ours / max(notional, 1e-300):.2%}"
            )
            found.totals.append(Total(f"{kind} margin of {held.name}", ours, theirs, _TOLERANCE, why=why))
    return None


def deribit_collateral(usd: dict[str, float], portfolio: bool) -> tuple[float, float]:
    """Initial and maintenance margin that Deribit's cross collateral asks of collateral alone, USD.

    ``usd`` by asset. Haircuts count as initial margin; portfolio margin adds the largest standard move of every coin, and .8
    of it to maintenance: so do the venue's own replies (.1 % and less off). Our rules count haircuts as equity lost, and no
    move of coins posted.
    """
    data = table("deribit")
    known, margins = data["haircut"], data["portfolio_margin"]
    lost = sum(float(known.get(asset, 0.0)) * value for asset, value in usd.items())
    moves = sum(float(margins[a]["range"]) * value for a, value in usd.items() if isinstance(margins.get(a), dict))
    moves = moves if portfolio else 0.0
    return lost + float(margins["initial_factor"]) * moves, float(margins["maintenance_factor"]) * moves
