"""Legs that a venue trades together: Deribit's combos (spreads, straddles, rolls) and block RFQs with a hedge leg.

A combo is one order with one price: no leg is filled without the other. Its name is Deribit's
(:mod:`hedgeopt.inputs.payloads.deribit_names` reads it back to the legs). Only shapes whose legs are known are proposed.
What a combo saves of fees is the venue's discount; its price in the combo's own book is not known, and may be better or
worse than that of the legs.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.files.plain import ColumnKinds
from hedgeopt.inputs.payloads.deribit_names import legs_of
from hedgeopt.orders.legs import ListedLeg, ListedLegs
from hedgeopt.venues.deribit.names import write_name

__all__ = ["COMBINED", "combined_legs", "combo_name"]

COMBINED = ColumnKinds(
    kind="text", name="text", account="text", side="text", quantity="number", legs="text", hedge="text",
    cost_apart="number", fee_saved="number", finer_tick="number", request="text",
)  # fmt: skip
"""Columns of :attr:`~hedgeopt.orders.plan.ExecutionPlan.combos`: kind (combo, block RFQ), the venue's name, side and
quantity of the combo, its legs and hedge leg in words, USD of half-spread and fees of the legs apart, USD of fees that the
venue takes off (a share of the fee of the cheaper direction), its tick, and the request that opens it."""

_COMBO_TICK = 0.0001


@lru_cache
def _blocks() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("blocks.toml").read_text(encoding="utf-8"))


def combined_legs(listed: ListedLegs, order: Sequence[int]) -> pd.DataFrame:
    """Combos and blocks that the legs could be sent as, the largest first; a leg is in at most one combo."""
    rows: list[dict[str, Any]] = []
    costs = _costs(listed)
    traded = [leg for leg in order if not listed.legs[leg].is_transfer and listed.legs[leg].venue in _blocks()]
    used: set[int] = set()
    pairs = [(a, b) for k, a in enumerate(traded) for b in traded[k + 1 :]]
    for a, b in sorted(pairs, key=lambda pair: -min(listed.legs[k].usd for k in pair)):
        found = None if used & {a, b} else _combo(listed.legs[a], listed.legs[b])
        if found is not None:
            used |= {a, b}
            rows.append(_combo_row(listed, (a, b), found, costs))
    rows += _block_rows(listed, traded, costs)
    return COMBINED.of({name: [row[name] for row in rows] for name in COMBINED})


def _costs(listed: ListedLegs) -> tuple[np.ndarray, np.ndarray]:
    """(K,) USD of cost and of fee of each leg alone."""
    whole = np.zeros(listed.e.n_candidates)
    whole[listed.keep] = listed.x
    return listed.e.trade_cost(whole)[listed.keep], listed.e.trade_fee(whole)[listed.keep]


def combo_name(first: Any, second: Any) -> str | None:
    """Deribit's name of the combo that buys the first of two instruments, and buys or sells the second, as the shape has it.

    None where the two make none of the shapes whose legs are known.
    """
    names = [write_name(item) for item in (first, second)]
    options = [item.nature.option for item in (first, second)]
    if first.id == second.id or names[0].split("-")[0] != names[1].split("-")[0]:
        return None
    pair = names[0].split("-")[0]
    if not any(options):
        if not all(item.nature.margined and item.nature.payoff == "linear" for item in (first, second)):
            return None
        days = ["PERP" if name.endswith("PERPETUAL") else name.split("-")[1] for name in names]
        return f"{pair}-FS-{days[0]}_{days[1]}"
    if not all(options):
        return None
    parts = [name.split("-")[1:] for name in names]
    (day, strike, right), (other_day, other_strike, other_right) = parts
    if right != other_right:
        if day != other_day:
            return None
        if strike == other_strike:
            return f"{pair}-STRD-{day}-{strike}"
        low, high = (strike, other_strike) if first.strike < second.strike else (other_strike, strike)
        put_is_low = (right == "P") == (strike == low)
        return f"{pair}-{'STRG' if put_is_low else 'GUTS'}-{day}-{low}_{high}"
    if day == other_day:
        return f"{pair}-{right}S-{day}-{strike}_{other_strike}"
    if strike == other_strike:
        return f"{pair}-{right}CAL-{day}_{other_day}-{strike}"
    return f"{pair}-{right}DIAG-{day}_{other_day}-{strike}_{other_strike}"


def _usual(a: ListedLeg, b: ListedLeg) -> tuple[ListedLeg, ListedLeg]:
    """In the order of the venue's names: the lower call or the higher put, the later expiry, the put of a strangle first."""

    def key(one: ListedLeg) -> tuple[Any, ...]:
        item = one.item
        late = -item.expiry.timestamp() if item.nature.expires else 0.0
        strike = (item.strike if item.right == "call" else -item.strike) if item.nature.option else 0.0
        return late, strike

    first, second = sorted((a, b), key=key)
    return first, second


def _combo(a: ListedLeg, b: ListedLeg) -> tuple[str, str, float, dict[str, float]] | None:
    """Name, side, quantity and legs of the combo of two legs of one account; None where there is none."""
    if a.account != b.account or a.unit != b.unit:
        return None
    first, second = _usual(a, b)
    name = combo_name(first.item, second.item)
    legs = None if name is None else dict(legs_of(name) or [])
    if not name or not legs or set(legs) != {write_name(a.item), write_name(b.item)}:
        return None
    signs = {one.sign * legs[write_name(one.item)] for one in (a, b)}
    if len(signs) != 1 or abs(signs.pop()) != 1.0:
        return None
    side = "buy" if first.sign * legs[write_name(first.item)] > 0 else "sell"
    return name, side, min(a.quantity, b.quantity), legs


def _combo_row(
    listed: ListedLegs, at: tuple[int, int], found: tuple[str, str, float, dict[str, float]],
    costs: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:  # fmt: skip
    name, side, quantity, legs = found
    mine = [listed.legs[k] for k in at]
    share = [quantity / one.quantity for one in mine]
    fees: dict[str, float] = {"buy": 0.0, "sell": 0.0}
    for k, one, part in zip(at, mine, share, strict=True):
        fees[one.side] += float(costs[1][k]) * part
    trades = [
        {"instrument_name": write_name(one.item), "amount": quantity, "direction": one.side} for one in mine
    ]  # the venue names the combo and says its own direction
    return {
        "kind": "combo", "name": name, "account": mine[0].account, "side": side, "quantity": quantity,
        "legs": ", ".join(f"{amount:+g} {leg}" for leg, amount in legs.items()), "hedge": "",
        "cost_apart": sum(float(costs[0][k]) * part for k, part in zip(at, share, strict=True)),
        "fee_saved": _saved(mine, fees),
        "finer_tick": _COMBO_TICK if mine[0].item.nature.option and mine[0].item.inverse else float("nan"),
        "request": json.dumps({"method": "private/create_combo", "params": {"trades": trades}}),
    }  # fmt: skip


def _saved(legs: Sequence[ListedLeg], fees: dict[str, float]) -> float:
    """USD that the venue takes off the fees of legs traded as one: a share of the cheaper of purchases and sales."""
    discounts = _blocks()[legs[0].venue]["fee_discount"]
    kinds = {"option" if one.item.nature.option else "future" for one in legs}
    return float(min(discounts[kind] for kind in kinds) * min(fees.values()))


def _block_rows(listed: ListedLegs, traded: Sequence[int], costs: tuple[np.ndarray, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Option legs of one account and currency that are large enough for a block, with one future against their delta."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for leg in traded:
        one = listed.legs[leg]
        if one.item.nature.derivative:
            groups.setdefault((one.account, one.item.underlying, one.item.settlement), []).append(leg)
    for (account, underlying, settlement), members in groups.items():
        table = _blocks()[listed.legs[members[0]].venue]
        least = table["least_option"].get(f"{underlying}/{settlement}")
        options = [k for k in members if listed.legs[k].item.nature.option]
        options = [k for k in options if least is not None and listed.legs[k].quantity >= least]
        if not options or len(options) > table["most_legs"]:
            continue
        futures = [k for k in members if listed.legs[k].item.nature.margined]
        smallest = table["least_future_usd"].get(underlying, table["least_future_usd"]["other"])
        hedges = [k for k in futures if listed.legs[k].usd >= smallest][:1]
        if len(options) + len(hedges) < 2:
            continue
        told = [listed.legs[k] for k in options]
        apart = {side: sum(float(costs[1][k]) for k in options if listed.legs[k].side == side) for side in ("buy", "sell")}
        hedge = listed.legs[hedges[0]] if hedges else None
        params: dict[str, Any] = {
            "legs": [{"instrument_name": write_name(o.item), "amount": o.quantity, "direction": o.side} for o in told]
        }
        if hedge is not None:
            params["hedge"] = {
                "instrument_name": write_name(hedge.item), "amount": hedge.quantity, "direction": hedge.side,
                "price": None if np.isnan(hedge.limit) else hedge.limit,
            }  # fmt: skip
        yield {
            "kind": "block RFQ", "name": "", "account": account, "side": "", "quantity": float("nan"),
            "legs": ", ".join(f"{o.side} {o.quantity:g} {o.instrument}" for o in told),
            "hedge": "" if hedge is None else f"{hedge.side} {hedge.quantity:g} {hedge.instrument}",
            "cost_apart": float(sum(costs[0][k] for k in (*options, *hedges))), "fee_saved": _saved(told, apart),
            "finer_tick": _COMBO_TICK if told[0].item.inverse else float("nan"),
            "request": json.dumps({"method": "private/create_block_rfq", "params": params}),
        }  # fmt: skip
