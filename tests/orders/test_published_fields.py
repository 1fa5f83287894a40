"""Every form of orders against the fields that its venue published, back and forth; orders that are none are refused."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import numpy as np
import openpyxl
import pytest

import hedgeopt as ho
from hedgeopt.orders.export import orders_csv, orders_excel, orders_table
from hedgeopt.orders.plan import execution_plan
from hedgeopt.orders.send import FORMS_OF_ORDERS, SentOrder, order_line, read_order_line
from hedgeopt.venues.known import parser

from .conftest import solved
from .test_export import PAIRS, market_of

IDENT = "0123456789abcdef" * 2
# of each venue's API reference: fields that an order may have, those it must have, and the words of two of them
PUBLISHED: dict[str, dict[str, Any]] = {
    "deribit": {  # docs.deribit.com, private/buy
        "may": "instrument_name amount contracts type label price time_in_force display_amount post_only reject_post_only "
               "reduce_only trigger_price trigger advanced mmp valid_until linked_order_type",
        "must": "instrument_name amount type price",
        "words": {"type": {"limit"}, "time_in_force": {"good_til_cancelled", "good_til_day", "fill_or_kill",
                                                       "immediate_or_cancel"}},
        "id": ("label", r".{1,64}"),
    },
    "okx": {  # okx.com/docs-v5, POST trade/order
        "may": "instId instIdCode tdMode ccy clOrdId tag side posSide ordType sz px pxUsd pxVol reduceOnly tgtCcy banAmend "
               "stpMode attachAlgoOrds tradeQuoteCcy",
        "must": "instId tdMode side ordType sz px",
        "words": {"ordType": {"market", "limit", "post_only", "fok", "ioc"}, "side": {"buy", "sell"},
                  "tdMode": {"cash", "cross", "isolated"}},
        "id": ("clOrdId", r"[A-Za-z0-9]{1,32}"),
    },
    "bybit": {  # bybit-exchange.github.io/docs/v5, order/create
        "may": "category symbol isLeverage side orderType qty marketUnit price triggerDirection orderFilter triggerPrice "
               "triggerBy orderIv timeInForce positionIdx orderLinkId takeProfit stopLoss reduceOnly smpType mmp",
        "must": "category symbol side orderType qty price orderLinkId",
        "words": {"category": {"linear", "inverse", "spot", "option"}, "side": {"Buy", "Sell"},
                  "timeInForce": {"GTC", "IOC", "FOK", "PostOnly"}, "orderType": {"Limit"}},
        "id": ("orderLinkId", r"[A-Za-z0-9_-]{1,36}"),
    },
    "derive": {  # docs.derive.xyz, private/order; signature, nonce, max_fee and subaccount are the sender's
        "may": "instrument_name direction order_type time_in_force amount limit_price label reduce_only mmp max_fee nonce "
               "signature signature_expiry_sec signer subaccount_id referral_code",
        "must": "instrument_name direction amount limit_price",
        "words": {"direction": {"buy", "sell"}, "order_type": {"limit", "market"},
                  "time_in_force": {"gtc", "post_only", "fok", "ioc"}},
        "id": ("label", r".{1,64}"),
    },
    "hyperliquid": {  # OrderRequest of the Python SDK; a cloid is 128 bits in hexadecimal
        "may": "coin is_buy sz limit_px order_type reduce_only cloid",
        "must": "coin is_buy sz limit_px order_type reduce_only",
        "words": {"is_buy": {True, False}},
        "id": ("cloid", r"0x[0-9a-f]{32}"),
    },
    "ccxt": {  # createOrder (symbol, type, side, amount, price, params), and the exchange that is asked
        "may": "exchange symbol type side amount price params",
        "must": "symbol type side amount price",
        "words": {"type": {"limit"}, "side": {"buy", "sell"}},
    },
}  # fmt: skip


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize(("venue", "name"), PAIRS)
@pytest.mark.parametrize(("side", "closes", "rests"), [("buy", False, False), ("sell", True, True)])
def test_an_order_has_published_fields_and_words(
    venue: str, name: str, side: str, closes: bool, rests: bool, unified: bool
) -> None:
    form, item = "ccxt" if unified else venue, parser(venue)(name)
    order = SentOrder(IDENT, "main", item, side, 12.0, 0.5, closes, 0.01, rests)
    line = json.loads(order_line(order, form))
    fields, known = line.get("params", line) if form == "deribit" else line, PUBLISHED[form]
    if form == "deribit":
        assert set(line) == {"method", "params"}
        assert line["method"] == f"private/{side}"
    assert set(fields) <= set(known["may"].split())
    assert set(fields) >= set(known["must"].split())
    for field, words in known["words"].items():
        assert fields[field] in words
    if "id" in known:
        field, form_of_id = known["id"]
        assert re.fullmatch(form_of_id, fields[field])
    found = read_order_line(json.dumps(line), form, market_of([item], 0.01))
    assert (found["side"], found["quantity"], found["limit_price"], found["client_id"]) == (side, 12.0, 0.5, IDENT)


def test_every_form_is_compared() -> None:
    assert set(PUBLISHED) == set(FORMS_OF_ORDERS)


@pytest.mark.parametrize("form", ["deribit", "ccxt"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quantity": float("nan")}, "BTC-PERPETUAL: quantity: cannot be sent"),
        ({"quantity": float("inf")}, "quantity: cannot be sent"),
        ({"quantity": 0.0}, "quantity: cannot be sent"),
        ({"quantity": -1.0}, "quantity: cannot be sent"),
        ({"price": float("inf")}, "price: cannot be sent"),
        ({"price": float("nan")}, "has no limit price"),
        ({"price": -5.0}, "has no limit price"),
        ({"side": "short"}, "side: cannot be sent"),
        ({"client_id": 'x", "amount": 1e9, "y": "'}, "client_id: cannot be sent"),
        ({"client_id": ""}, "client_id: cannot be sent"),
    ],
)
def test_what_is_no_order_is_refused_in_one_line(form: str, change: dict[str, Any], words: str) -> None:
    told = {"client_id": IDENT, "account": "a", "item": parser("deribit")("BTC-PERPETUAL"), "side": "buy", "quantity": 10.0,
            "price": 8e4, **change}  # fmt: skip
    with pytest.raises(ho.InputError, match=re.escape(words)) as error:
        order_line(SentOrder(**told), form)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "rounds"), [("whole", None), ("network", 3)])
def test_tables_read_back_to_the_digit(name: str, rounds: int | None) -> None:
    s = solved(name)
    plan = execution_plan(s.proposal, s.book, s.market, rounds=rounds)
    table = orders_table(plan)
    told = list(csv.DictReader(io.StringIO(orders_csv(plan))))
    sheet = list(openpyxl.load_workbook(io.BytesIO(orders_excel(plan)))["orders"].iter_rows(values_only=True))
    assert list(told[0]) == list(table.columns) == list(sheet[0])
    for k, row in enumerate(table.to_dict("records")):
        for column, value in row.items():
            text, cell = told[k][column], sheet[k + 1][list(table.columns).index(column)]
            if isinstance(value, float) and np.isnan(value):
                assert (text, cell) == ("", None)
            else:
                read = text == "True" if isinstance(value, bool) else type(value)(text)
                assert read == value, column
                # a workbook keeps 15 digits
                assert cell == (pytest.approx(value, rel=1e-14) if isinstance(value, float) else value), column
