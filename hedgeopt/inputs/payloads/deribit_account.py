"""Deribit: ``private/get_account_summaries``, ``get_account_summary`` and the channel ``user.portfolio`` as collateral.

Collateral is ``equity - options_value``: the balance with futures' P&L and without options. Under cross collateral all
currencies margin together; under a segregated model each is an account of its own. The sum of the currencies' equities is
checked against ``total_equity_usd``, each at the rate that ``margin_balance`` implies.
"""

from __future__ import annotations

import math

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.payloads.form import Findings, Form, Posted, Total, keys
from hedgeopt.inputs.payloads.item import Item
from hedgeopt.inputs.payloads.margin_comparisons import deribit_collateral
from hedgeopt.models.data import asset_name, table

__all__ = ["PORTFOLIO", "SUMMARIES"]

_MARGIN = {"sm": "standard", "pm": "portfolio"}
_IGNORED = keys(
    "available_funds available_withdrawal_funds total_pl session_upl session_rpl futures_pl "
    "options_pl spot_reserve fee_balance locked_balance delta_total options_delta options_gamma "
    "options_vega options_theta portfolio_margining_enabled initial_margin maintenance_margin "
    "total_initial_margin_usd total_maintenance_margin_usd total_margin_balance_usd options_gamma_map "
    "options_vega_map options_theta_map delta_total_map options_session_rpl options_session_upl "
    "futures_session_rpl futures_session_upl projected_initial_margin projected_maintenance_margin "
    "projected_delta_total total_delta_total_usd additional_reserve estimated_liquidation_ratio "
    "estimated_liquidation_ratio_map cross_collateral_enabled fee_group fees limits deposit_address"
)


def _read_one(item: Item, found: Findings, account: str) -> tuple[float, float, bool]:
    """Equity in USD at the implied rate, the venue's total, and whether currencies margin together."""
    currency, equity = item.text("currency").upper(), item.needed("equity")
    options = item.number("options_value", 0.0)
    model = item.text("margin_model", "segregated_sm")
    kind, _, rule = model.partition("_")
    if kind not in ("cross", "segregated") or rule not in _MARGIN:
        raise item.fault(
            "is no margin model that is known", "margin_model", model, "known: cross_sm, cross_pm, segregated_…"
        )
    pool = "" if kind == "cross" else currency
    found.margins["deribit", f"{account}{pool}"] = _MARGIN[rule]
    total, balance = item.number("total_equity_usd"), item.number("margin_balance")
    whole = item.number("total_margin_balance_usd")
    rate = whole / balance if kind == "cross" and balance and whole == whole else math.nan
    held = item.number("balance")
    if held == held and min(abs(held), abs(equity - options)) * 5.0 < max(abs(held), abs(equity - options)):
        found.notes.append(
            f"{currency} at Deribit: equity less options_value is {equity - options:.8g}, the balance is {held:.8g}: "
            "are both of one moment and in coins?"
        )
    if equity - options or equity:
        amount = equity - options
        found.posted.append(Posted("deribit", currency, amount, item.where, account, pool, usd=equity * rate, whole=equity))
    if kind == "cross" and equity == 0.0:
        rate = 0.0 if math.isnan(rate) else rate
    return equity * rate, total, kind == "cross"


def _margins(items: list[Item], found: Findings) -> None:
    """Margin of an account that holds collateral alone; where it holds more a note says what gives ours."""
    usd: dict[str, float] = {}
    totals = {"initial": math.nan, "maintenance": math.nan}
    busy = portfolio = cross = False
    for item in items:
        model, balance = item.text("margin_model", "segregated_sm"), item.number("margin_balance")
        whole, equity = item.number("total_margin_balance_usd"), item.needed("equity")
        cross, portfolio = model.startswith("cross"), model.endswith("pm")
        busy = busy or any(item.number(key, 0.0) != 0.0 for key in ("delta_total", "options_value", "options_delta"))
        if cross and equity and balance:
            usd[asset_name(item.text("currency").upper())] = equity * whole / balance
        for kind in totals:
            totals[kind] = max(item.number(f"total_{kind}_margin_usd"), -math.inf)
    if math.isnan(sum(totals.values())) or not cross or busy:
        reason = "positions are held" if busy else "the reply has no total in USD"
        found.notes.append(f"margin at Deribit is not compared: {reason}; hedgeopt margin --book … --market … gives ours")
        return
    for (kind, theirs), ours in zip(totals.items(), deribit_collateral(usd, portfolio), strict=True):
        why = "open orders, or currencies and rates of collateral that are not in the reply"
        found.totals.append(Total(f"{kind} margin of collateral at Deribit", ours, theirs, 0.005, why=why, side=1))
    coins = {a: v for a, v in usd.items() if isinstance(table("deribit")["portfolio_margin"].get(a), dict) and v > 0.0}
    if portfolio and coins:
        found.notes.append(
            f"under cross collateral Deribit's portfolio margin counts coins posted ({', '.join(coins)}) with their own "
            "moves; margin 'portfolio' leaves them out: ours is less where they are not hedged, and more where they are"
        )


def _read_summaries(items: list[Item], found: Findings, venue: str) -> None:
    for item in items:
        account = item.text("username", "")
        _sum(list(item.items("summaries")), found, account if item.text("type", "main") == "subaccount" else "")


def _read_flat(items: list[Item], found: Findings, venue: str) -> None:
    _sum(items, found, "")


def _sum(items: list[Item], found: Findings, account: str) -> None:
    _margins(items, found)
    sums = [_read_one(item, found, account) for item in items]
    ours, theirs = sum(usd for usd, _, _ in sums), max((total for _, total, _ in sums), default=math.nan)
    if sums and all(cross for _, _, cross in sums) and math.isfinite(ours) and math.isfinite(theirs):
        if abs(ours) > 10.0 * abs(theirs) and abs(ours) > 100.0:
            raise InputError(
                f"of all currencies is {ours:,.6g} USD, and total_equity_usd {theirs:,.6g}",
                file=items[0].reading.file,
                field=f"{items[0].where}.equity".lstrip("."),
                fix="equities are coins: save the venue's reply as it came",
            )
        why = f"the reply lists {many(len(sums), 'currency', 'currencies')}; equity in others is not in it"
        found.totals.append(Total("equity at Deribit", ours, theirs, 0.001, why=why, side=1))
    elif sums:
        found.notes.append(
            "equity at Deribit is not compared: the reply has no total in USD of currencies that margin together"
        )


SUMMARIES = Form(
    name="Deribit account summaries",
    venue="deribit",
    holds="collateral",
    keys=frozenset({"summaries", "username"}),
    read=_read_summaries,
    ignored=frozenset(
        [
            *keys(
                "id email system_name block_rfq_self_match_prevention creation_timestamp referrer_id "
                "login_enabled security_keys_enabled mmp_enabled interuser_transfers_enabled "
                "self_trading_reject_mode self_trading_extended_to_subaccounts"
            ),
            *(f"summaries.{key}" for key in _IGNORED),
        ]
    ),
    source="docs.deribit.com, private/get_account_summaries",
    compared=True,
    checked="real payload",
)
PORTFOLIO = Form(
    name="Deribit portfolio",
    venue="deribit",
    holds="collateral",
    keys=frozenset({"currency", "equity", "margin_balance", "options_value", "available_funds"}),
    read=_read_flat,
    ignored=frozenset(
        [*_IGNORED, "id", "email", "username", "system_name", "type", "creation_timestamp", "has_non_block_chain_equity"]
    ),
    source="docs.deribit.com, the channel user.portfolio.{currency}, private/get_account_summary",
    compared=True,
    checked="real payload",
)
