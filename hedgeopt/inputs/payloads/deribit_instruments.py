"""Deribit: ``public/get_instruments`` and ``public/get_instrument`` as sizes of contracts.

Our units are Deribit's: coins for options and linear contracts, USD for inverse futures and perpetuals. So the multiplier
is 1. Amounts count in steps of ``min_trade_amount`` (0.1 BTC of options, whose ``contract_size`` is 1). Prices count in
steps of ``tick_size``, above a price in larger ones (``tick_size_steps``, since 6 July 2023: support.deribit.com, article
25944779257373); of several such steps the largest is taken from the first price on, a multiple of all others.
"""

from __future__ import annotations

import math

from hedgeopt.inputs.payloads.deribit_names import is_combo
from hedgeopt.inputs.payloads.form import Findings, Form, Spec, keys
from hedgeopt.inputs.payloads.item import Item

__all__ = ["INSTRUMENTS"]


def _read(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        name = item.text("instrument_name")
        smallest, contract = item.number("min_trade_amount"), item.number("contract_size")
        steps = list(item.items("tick_size_steps"))
        spec = Spec(
            "deribit",
            name,
            multiplier=1.0,
            tick=item.number("tick_size"),
            lot=contract if math.isnan(smallest) else smallest,
            min_size=smallest,
            tick_above=min((step.needed("above_price") for step in steps), default=math.nan),
            coarse_tick=max((step.needed("tick_size") for step in steps), default=math.nan),
            expiry=item.moment("expiration_timestamp", "ms"),
        )
        kind, active = item.text("kind"), item.raw("is_active")
        if is_combo(name) or kind.endswith("combo"):
            found.skip("combos are not quoted here: their legs are", name)
            continue
        if active is False:
            found.skip("not active at the venue", name)
            continue
        found.specs["deribit", name] = spec


INSTRUMENTS = Form(
    name="Deribit instruments",
    venue="deribit",
    holds="sizes",
    keys=frozenset({"instrument_name", "kind", "tick_size", "min_trade_amount", "contract_size"}),
    read=_read,
    ignored=keys(
        "price_index option_type strike max_leverage maker_commission taker_commission "
        "instrument_type creation_timestamp instrument_id max_liquidation_commission "
        "block_trade_commission block_trade_min_trade_amount block_trade_tick_size "
        "settlement_currency settlement_period base_currency counter_currency quote_currency "
        "state rfq future_type"
    ),
    source="docs.deribit.com, public/get_instruments",
    checked="real payload",
)
