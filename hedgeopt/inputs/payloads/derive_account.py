"""Derive: ``private/get_positions`` and ``private/get_subaccount`` as positions and collateral.

Amounts are coins, signed. Cash takes the perpetuals' P&L that is not settled yet. Checked: ``mark_value`` of collateral and
of positions, ``collaterals_value``, and ``subaccount_value``.
"""

from __future__ import annotations

import math

import numpy as np

from hedgeopt.inputs.payloads.form import Findings, Form, HeldLine, Posted, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.margin_comparisons import bare_state
from hedgeopt.inputs.payloads.signs import refuse_contradictions
from hedgeopt.models.margin.derive import Derive
from hedgeopt.models.margin.model import Kind

__all__ = ["POSITIONS", "SUBACCOUNT"]

_NEAR = 0.02
_IS_OPTION = {"option": True, "perp": False}
"""The venue's words in ``instrument_type``."""
_MARGIN = {"PM": "standard", "PM2": "standard", "SM": "standard"}


def _positions(items: list[Item], found: Findings, account: str) -> float:
    """The positions' value in USD: options at their marks, and perpetuals' open P&L."""
    worth = 0.0
    for item in items:
        name, amount, word = item.text("instrument_name"), item.needed("amount"), item.text("instrument_type")
        if amount == 0:
            continue
        option = _IS_OPTION.get(word)
        if option is None:
            raise item.fault("is neither option nor perp", "instrument_type", word)
        settled = item.number("net_settlements", 0.0) != 0.0
        refuse_contradictions(
            item,
            amount,
            "amount",
            signed=("mark_value",),
            entries=() if settled else ("average_price", "average_price_excl_fees"),
            mark="mark_price",
            profits=("unrealized_pnl", "unrealized_pnl_excl_fees"),
            option=option,
        )
        mark, value, delta = item.number("mark_price"), item.number("mark_value"), item.number("delta")
        if value == value and mark == mark and abs(amount * mark - value) > _NEAR * max(abs(value), abs(amount * mark)):
            raise item.fault(f"at mark_price {mark:g} is not mark_value {value:g}", "amount", amount, "amounts are coins")
        profit = item.number("unrealized_pnl", 0.0) + item.number("pending_funding", 0.0)
        if not option and delta == delta:
            if abs(delta) > _NEAR and abs(delta - amount) > 0.5 * abs(amount) and abs(delta - 1.0) > 0.5:
                raise item.fault(f"is neither the position's {amount:g} coins nor 1 per coin", "delta", delta, "signed")
            why = "the venue states it per coin" if abs(delta - 1.0) <= 0.5 else ""
            found.totals.append(Total(f"delta of {name}", amount, delta, 0.01, "coins", why))
        worth += amount * mark if option else profit
        found.holdings.append(
            HeldLine(
                "derive",
                name,
                amount,
                item.where,
                account=account,
                mark=mark,
                delta=delta if option else math.nan,
                profit=0.0 if option else profit,
                value=amount * mark if option else math.nan,
                option=option,
                initial=abs(item.number("initial_margin")),
                maintenance=abs(item.number("maintenance_margin")),
                index=item.number("index_price"),
            )
        )
    return worth


def _read_positions(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        account = item.text("subaccount_id", "")
        _positions(list(item.items("positions")), found, account)


def _read_subaccount(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        account, model = item.text("subaccount_id", ""), item.text("margin_type")
        if model not in _MARGIN:
            raise item.fault("is no margin type that is known", "margin_type", model, f"known: {', '.join(_MARGIN)}")
        if model == "SM":
            found.notes.append("Derive subaccount on the standard manager: give --margin where a rule for it is known")
        usd, posted = 0.0, {}
        for part in item.items("collaterals"):
            amount, mark, value = part.needed("amount"), part.number("mark_price"), part.number("mark_value")
            if value == value and mark == mark and abs(amount * mark - value) > _NEAR * max(abs(value), 1e-9):
                raise part.fault(
                    f"at mark_price {mark:g} is not mark_value {value:g}", "amount", amount, "amounts are coins"
                )
            usd += amount * mark
            posted[part.text("asset_name")] = amount, mark
            if amount:
                asset = part.text("asset_name")
                found.posted.append(Posted("derive", asset, amount, part.where, account, usd=value))
        held = list(item.items("positions"))
        worth = _positions(held, found, account)
        _margins(item, found, bool(held), posted)
        found.margins["derive", account] = _MARGIN[model]
        for what, ours, key in (
            ("collateral at Derive", usd, "collaterals_value"),
            ("value of the Derive subaccount", usd + worth, "subaccount_value"),
        ):
            theirs = item.number(key)
            if theirs == theirs:
                why = "P&L of perpetuals was settled in between"
                found.totals.append(Total(what, ours, theirs, 0.001, why=why, room=0.05))


def _margins(item: Item, found: Findings, held: bool, posted: dict[str, tuple[float, float]]) -> None:
    """What collateral counts, and, without positions, what the subaccount asks for."""
    state = bare_state("derive", {asset: mark for asset, (_, mark) in posted.items()})
    amounts = np.array([amount for amount, _ in posted.values()])
    kinds: tuple[Kind, ...] = ("initial", "maintenance")
    for kind in kinds:
        counted = float(state.prices @ amounts - Derive().lost(state, kind) @ np.maximum(amounts, 0.0))
        for what, ours, key in (
            (f"collateral that counts for {kind} margin at Derive", counted, f"collaterals_{kind}_margin"),
            (f"{kind} margin of the Derive subaccount's positions", 0.0, f"positions_{kind}_margin"),
        ):
            theirs = item.number(key)
            if theirs == theirs and not (held and ours == 0.0):
                why = "shares of collateral that is not cash are the standard manager's here"
                found.totals.append(Total(what, ours, theirs, 0.001, why=why))
    if held:
        found.notes.append(
            "margin of the Derive subaccount as a whole is not compared: it needs the market; hedgeopt margin --book … "
            "--market … gives ours"
        )


_POSITION_IGNORED = keys(
    "creation_timestamp cumulative_funding gamma "
    "leverage liquidation_price open_orders_margin "
    "realized_pnl realized_pnl_excl_fees theta vega total_fees amount_step"
)
POSITIONS = Form(
    name="Derive positions",
    venue="derive",
    holds="positions",
    keys=frozenset({"positions", "subaccount_id"}),
    absent=frozenset({"collaterals"}),
    read=_read_positions,
    ignored=frozenset(f"positions.{key}" for key in _POSITION_IGNORED),
    source="docs.derive.xyz, private/get_positions",
    compared=True,
    checked="real payload",
)
SUBACCOUNT = Form(
    name="Derive subaccount",
    venue="derive",
    holds="collateral",
    keys=frozenset({"collaterals", "subaccount_value", "margin_type"}),
    read=_read_subaccount,
    ignored=frozenset(
        [
            *(f"positions.{key}" for key in _POSITION_IGNORED),
            *keys(
                "collaterals.asset_type collaterals.cumulative_interest collaterals.currency "
                "collaterals.initial_margin collaterals.maintenance_margin "
                "collaterals.pending_interest collaterals.average_price collaterals.delta "
                "collaterals.open_orders_margin collaterals.creation_timestamp "
                "collaterals.realized_pnl collaterals.total_fees collaterals.unrealized_pnl "
                "collaterals.amount_step collaterals_initial_margin collaterals_maintenance_margin "
                "currency initial_margin maintenance_margin is_under_liquidation label open_orders "
                "open_orders_margin positions_initial_margin positions_maintenance_margin "
                "positions_value projected_margin_change"
            ),
        ]
    ),
    source="docs.derive.xyz, private/get_subaccount",
    compared=True,
    checked="real payload",
)
