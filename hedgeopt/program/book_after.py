"""The book after trades and transfers, as JSON that reads back as a book.

Everything counts as settled, in the account where it is booked:

- positions change by what is traded; one that ends at nought is dropped, a new one is written by the venue's name;
- premium is paid at the mark in the instrument's settlement asset, and the trading cost (half-spread and fee, USD) at the
  index in the same asset: together the quote that the trade hits, and the fee;
- where an account pays in a dollar asset that it does not post, it pays in the one that it posts most of, at their prices;
- a transfer leaves its source with its share of cost, in the asset sent, and has arrived whole at its target (the program
  sends nothing that would come after the horizon);
- gas (``fixed_cost``) is left out: no asset is known that pays it. So are funding and interest: the moment is the same.

Equity of each account at the same market is therefore that of the report after trading. Name, moment and links
are the book's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hedgeopt.inputs.book import Book
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets

__all__ = ["book_after", "change_position", "payer_of", "post_cash"]

_ROUNDING = 1e-12


def book_after(book: Book, e: Exposures, x: np.ndarray) -> dict[str, Any]:
    """The JSON of the book after trades x (N,)."""
    data = book.model_dump(mode="json")
    accounts = {account["name"]: account for account in data["accounts"]}
    link_of = {int(i): k for k, i in enumerate(e.links.candidate)}
    flows: dict[tuple[str, str], list[float]] = {}

    prices: dict[str, float] = {}

    def pay(account: str, asset: str, amount: float, price: float) -> None:
        prices[asset] = price
        flows.setdefault((account, asset), []).append(amount)

    costs = e.trade_cost(x)
    for i in np.flatnonzero(x).tolist():
        row, amount = int(e.candidate[i]), float(x[i])
        item, name = e.rows.instruments[row], e.accounts[e.rows.account[row]]
        cost = float(costs[i])
        if i in link_of:
            k = link_of[i]
            target, price = e.accounts[e.links.target[k]], float(e.prices[e.links.asset[k]])
            pay(name, item.asset, -amount - cost / price, price)
            pay(target, item.asset, amount * float(e.links.arrives[k]), price)
        else:
            change_position(accounts[name], item.name, amount)
            price = float(e.rows.settlement_price[row])
            pay(name, item.settlement, -float(e.rows.premium[row]) * amount - cost / price, price)
    for (name, asset), amounts in flows.items():
        payer = payer_of(accounts[name], asset, e.price) if sum(amounts) < 0 else asset
        rate = 1.0 if payer == asset else prices[asset] / e.price(payer)
        post_cash(accounts[name], payer, [rate * amount for amount in amounts])
    return data


def change_position(account: dict[str, Any], name: str, amount: float) -> None:
    """Book a trade into an account's JSON: lots are closed first to last, what adds goes to the last one."""
    lots = [p for p in account["positions"] if _name(p["instrument"]) == name]
    for lot in lots:
        last = lot is lots[-1]
        taken = amount if last else max(-lot["quantity"], amount) if lot["quantity"] > 0 else min(-lot["quantity"], amount)
        if not last and taken * lot["quantity"] >= 0:
            continue  # a lot is closed by trades against it; what adds to it goes to the last one
        after = lot["quantity"] + taken
        amount -= taken
        if abs(after) <= _ROUNDING * abs(lot["quantity"]):
            account["positions"].remove(lot)
        else:
            lot["quantity"] = after
        if amount == 0.0:
            return
    if amount:
        account["positions"].append({"instrument": name, "quantity": amount})


def _name(held: Any) -> Any:
    return held if isinstance(held, str) else held["name"]


def payer_of(account: dict[str, Any], asset: str, price: Callable[[str], float]) -> str:
    """What an account pays ``asset`` with: itself, or where it lacks that dollar asset the one that it posts most of."""
    held = {item["asset"]: float(item["amount"]) for item in account["collateral"]}
    posted = {name: amount * price(name) for name, amount in held.items() if name in dollar_assets()}
    dollars = {name: usd for name, usd in posted.items() if usd > 0.0}
    if asset in held or asset not in dollar_assets() or not dollars:
        return asset
    return max(dollars, key=lambda name: dollars[name])


def post_cash(account: dict[str, Any], asset: str, amounts: list[float]) -> None:
    """Add amounts to an account's collateral in its JSON; what is paid away to the last unit is 0."""
    for held in account["collateral"]:
        if held["asset"] == asset:
            after = held["amount"] + sum(amounts)
            # paid away to the last unit: not a debt of 1e-17
            size = abs(held["amount"]) + sum(abs(amount) for amount in amounts)
            held["amount"] = 0.0 if abs(after) <= _ROUNDING * size else after
            return
    account["collateral"].append({"asset": asset, "amount": sum(amounts)})
