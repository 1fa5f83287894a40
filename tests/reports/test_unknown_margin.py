"""Unknown margin is never zero: refused by ``margin``, a dash and null elsewhere, named in the headline."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.exposures.expose import expose
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.measures.margin import account_margin
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.reports.danger import danger

AT = datetime(2026, 3, 6, 10, tzinfo=UTC)
EXPIRY = datetime(2026, 3, 27, 8, tzinfo=UTC)
POLICY = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20, vol={"BTC": 0.8}), lots="ideal")
RULES = ["bybit_portfolio", "okx_portfolio", "bybit", "otc"]
LACKS = RULES[:3]
SAFE = ("is covered", "liquidates an account", "never")


def _item(rule: str) -> Any:
    if rule == "bybit":
        return ho.Perpetual(name="BTCUSDT", venue="bybit", underlying="BTC", settlement="USDT")
    venue = "okx" if rule.startswith("okx") else "bybit"
    return ho.Option(
        name="the put", venue=venue, underlying="BTC", settlement="USDC", strike=18_500.0, expiry=EXPIRY, right="put"
    )


def _market(item: Any) -> ho.Market:
    quotes = {"mark_price": 290.0, "mark_iv": 0.5, "underlying_price": 2e4, "index_price": 2e4}
    if item.nature.margined:
        quotes = {"mark_price": 2e4, "index_price": 2e4}
    row = {name: quotes.get(name, np.nan) for name in QUOTE_FIELDS if name != "timestamp"} | {"timestamp": pd.Timestamp(AT)}
    table = pd.DataFrame([row], columns=list(QUOTE_FIELDS), index=[item.id])
    return ho.Market(AT, {"BTC": 2e4, "USDT": 1.0, "USDC": 1.0}, {item.id: item}, table)


def _book(rule: str, item: Any, *more: dict[str, Any]) -> ho.Book:
    held = {"name": "b", "venue": item.venue, "margin": rule, "collateral": [{"asset": "USDC", "amount": 1e4}],
            "positions": [{"instrument": item, "quantity": -1.0}]}  # fmt: skip
    return ho.Book(name="desk", accounts=[held, *more])


@pytest.mark.parametrize("rule", LACKS)
def test_margin_refuses_where_the_rule_lacks_a_number(rule: str) -> None:
    item = _item(rule)
    with pytest.raises(
        ho.InputError, match=r"the margin of account b is unknown: .*; write (bybit|okx_portfolio)\.toml"
    ) as e:
        margin_report(_book(rule, item), _market(item), POLICY)
    assert "\n" not in str(e.value)
    assert e.value.exit_code == 2


@pytest.mark.parametrize("rule", RULES)
def test_risk_goes_on_and_never_calls_it_safe_or_zero(rule: str) -> None:
    item = _item(rule)
    e = expose(_book(rule, item), _market(item), POLICY, trades=False)
    account, told = account_margin(e, 0), ho.risk_report(e).accounts[0]
    for value in (told.initial_margin, told.maintenance_margin, told.utilisation, account.now.initial):
        assert math.isnan(value)
    assert all(state.unknown and not state.covered and state.utilisation is None for state in account.stresses)
    assert account.worst.equity == min(state.equity for state in account.stresses)
    found = danger([account])
    assert found.tone == "warn"
    assert f"iquidation unknown for {item.venue}/b" in found.sentences[0]
    assert (f"the rule of {rule} lacks " in found.sentences[0]) == (rule != "otc")
    assert not any(word in sentence for word in SAFE for sentence in found.sentences)


def test_the_other_accounts_keep_their_sentences() -> None:
    item = _item("bybit")
    cash = {"name": "cold", "venue": "wallet", "margin": "none", "collateral": [{"asset": "BTC", "amount": 1.0}]}
    e = expose(_book("bybit", item, cash), _market(item), POLICY, trades=False)
    said = danger([account_margin(e, 0), account_margin(e, 1)]).sentences
    assert said[0].startswith("Liquidation unknown for bybit/b")
    assert "liquidates another account" in said[1]
    assert said[2].startswith("Maintenance of the other accounts is covered")
    both = [account_margin(e, 1), account_margin(e, 0)]
    assert danger(both, [replace(one) for one in both]).tone == "warn"  # before and after trades


def test_a_contract_that_no_rule_knows_is_unknown_only_where_something_needs_margin() -> None:
    item = _item("otc")
    market = _market(item)
    report = margin_report(_book("otc", item), market, POLICY)
    (row,) = json.loads(json.dumps(report.to_dict(), allow_nan=False))["accounts"]
    assert (row["now"]["initial"], row["now"]["maintenance"]) == (None, None)
    assert (row["liquidation_down"], row["liquidation_up"]) == (None, None)
    assert all(state["maintenance"] is None for state in row["stresses"])
    held = _book("otc", item).accounts[0]
    long = held.model_copy(update={"positions": (held.positions[0].model_copy(update={"quantity": 1.0}),)})
    (bought,) = margin_report(ho.Book(accounts=(long,)), market, POLICY).accounts
    assert (bought.now.initial, bought.unknown) == (0.0, False)  # paid for in full


@pytest.mark.parametrize("command", ["risk", "margin"])
def test_terminal_page_and_json(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market, book, out = tmp_path / "m.csv", tmp_path / "b.json", tmp_path / "out"
    market.write_text(
        "timestamp,venue,instrument,bid,ask,mark,iv,forward,index\n"
        "2026-03-06T10:00:00Z,bybit,BTC-27MAR26-18500-P,280,300,290,0.4921249372731178,20250,20250\n"
    )
    held = {"name": "b", "venue": "bybit", "collateral": [{"asset": "USDC", "amount": 10_000}],
            "positions": [{"instrument": "BTC-27MAR26-18500-P", "quantity": -1}]}  # fmt: skip
    files = [command, "--book", str(book), "--market", str(market)]
    for rule in ("bybit_portfolio", "otc"):
        book.write_text(json.dumps({"name": "bb", "accounts": [{**held, "margin": rule}]}))
        code = main([*files, "--out", str(out)])
        text = capsys.readouterr()
        if (command, rule) == ("margin", "bybit_portfolio"):
            assert code == 2
            assert "account b" in text.err
            assert "[portfolio_margin.BTC] vols" in text.err
            assert not text.out
            continue
        assert code == 0
        page, data = (out / f"{command}.html").read_text(), json.loads((out / f"{command}.json").read_text())
        accounts = data["risk"]["accounts"] if command == "risk" else data["accounts"]
        need = accounts[0]["maintenance_margin"] if command == "risk" else accounts[0]["now"]["maintenance"]
        assert need is None
        for told in (text.out, re.sub("<[^>]*>", "", page), json.dumps(data["headline"])):
            assert "iquidation unknown for bybit/b" in told
            assert not any(word in told for word in SAFE[:2])


def test_margin_and_risk_ask_for_no_fees_and_margin_for_no_vols() -> None:
    """OKX has no table of fees, and no option of a perpetuals-only market gives a vol: margin needs neither."""
    item = ho.Perpetual(name="BTCUSDT", venue="binance", underlying="BTC", settlement="USDT")
    bare = ho.Policy(minimize=ho.TransactionCost(), lots="ideal")  # parametric, vols of the market
    (account,) = margin_report(_book("standard", item), _market(item), bare).accounts
    assert account.now.maintenance > 0
    assert not account.unknown
    dated = _item("okx_portfolio")
    e = expose(_book("otc", dated), _market(dated), POLICY, trades=False)
    assert ho.risk_report(e).stress
    strict = POLICY.model_copy(update={"strictness": "strict"})
    with pytest.raises(ho.InputError, match="no fee table for venue 'okx'"):
        expose(_book("otc", dated), _market(dated), strict, trades=False)
