"""Every word that refers to something is checked against what exists, and the message says the nearest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.files.names import advice, require_known
from hedgeopt.inputs.book import Account, Book, Collateral
from hedgeopt.inputs.links import Link
from hedgeopt.inputs.policy import Policy

BASE: dict[str, Any] = {
    "minimize": [{"term": {"kind": "transaction_cost"}, "weight": 1.0}],
    "scenarios": {"kind": "parametric", "count": 100},
}


def test_the_nearest_name_is_said_whatever_its_case():
    assert advice("Deribt", ["aave", "deribit"]) == "did you mean 'deribit'? known: aave, deribit"
    assert advice("btc", ["BTC"]) == "did you mean 'BTC'? known: BTC"
    assert advice("zzz", ["aave"]) == "known: aave"
    assert advice("x", []) == "none is known"
    assert "(40 in all)" in advice("x", [f"n{k}" for k in range(40)])
    require_known([], ["a"], "venue")
    with pytest.raises(ho.InputError, match=r"policy: f: unknown venue \(got 'b'\); known: a"):
        require_known(["a", "b"], ["a"], "venue", field="f")


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "margin_utilisation", "venue": "derbit", "limit": 0.6}, "did you mean 'deribit'"),
    ({"kind": "margin_utilisation", "account": "mian", "limit": 0.6}, "did you mean 'main'"),
    ({"kind": "survive_stress", "venue": "derbit"}, "did you mean 'deribit'"),
    ({"kind": "survive_stress", "account": "mian"}, "did you mean 'main'"),
    ({"kind": "survive_stress", "scenarios": ["2020-03-21"]}, "did you mean '2020-03-12'"),
    ({"kind": "order_limit", "notional": 1e6, "only": ["optoin"]}, "did you mean 'option'"),
    ({"kind": "position_limit", "notional": 1e6, "only": ["BTC-PERPETAUL"]}, "did you mean 'BTC-PERPETUAL'"),
    ({"kind": "participation", "share": 0.1, "only": ["perpetaul"]}, "did you mean 'perpetual'"),
    ({"kind": "limit", "term": {"kind": "margin", "venue": "derbit"}, "upper": 0.6}, "did you mean 'deribit'"),
    ({"kind": "limit", "term": {"kind": "delta", "underlying": "BTCC"}, "upper": 5.0}, "did you mean 'BTC'"),
    ({"kind": "limit", "term": {"kind": "vega", "underlying": "ETHH"}, "upper": 5.0}, "did you mean 'ETH'"),
    ({"kind": "limit", "term": {"kind": "vega_bucket", "underlying": "BTCC", "days": 30.0}, "upper": 5.0}, "mean 'BTC'"),
    ({"kind": "limit", "term": {"kind": "gross_leverage", "underlying": "BTCC"}, "upper": 5.0}, "did you mean 'BTC'"),
    ({"kind": "limit", "term": {"kind": "true_leverage", "underlying": "BTCC"}, "upper": 5.0}, "did you mean 'BTC'"),
    ({"kind": "limit", "term": {"kind": "stress_loss", "scenario": "2020-03-21"}, "upper": 5e6}, "mean '2020-03-12'"),
    ({"kind": "limit", "term": {"kind": "concentration", "by": "venue", "of": "derbit"}, "upper": 1.0}, "mean 'deribit'"),
    ({"kind": "limit", "term": {"kind": "concentration", "by": "asset", "of": "BTCC"}, "upper": 1.0}, "did you mean 'BTC'"),
]
SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"candidates": {"paused_venues": ["derbit"]}}, "did you mean 'deribit'"),
    ({"candidates": {"underlyings": ["BTCC"]}}, "did you mean 'BTC'"),
    ({"candidates": {"names": ["BTC-*", "BTC-PERPETAUL"]}}, "did you mean 'BTC-PERPETUAL'"),
    ({"candidates": {"kinds": ["optoin"]}}, "did you mean 'option'"),
    ({"candidates": {"kinds": ["amm_concentrated"]}}, "known: spot, perpetual, future, option"),
    ({"scenarios": {"kind": "parametric", "count": 100, "vol": {"BTCC": 0.6}}}, "did you mean 'BTC'"),
    ({"scenarios": {"kind": "regime", "count": 100, "margin_degrees": {"BTCC": 4.0}}}, "did you mean 'BTC'"),
    ({"scenarios": {**BASE["scenarios"], "views": [{"kind": "mean", "asset": "BTCC", "value": 0.0}]}}, "mean 'BTC'"),
    (
        {"scenarios": {**BASE["scenarios"], "views": [{"kind": "correlation", "assets": ["BTC", "ETHH"], "value": 0.5}]}},
        "did you mean 'ETH'",
    ),
    (
        {"scenarios": {**BASE["scenarios"], "events": [{"kind": "venue_pause", "venue": "derbit", "probability": 0.1}]}},
        "did you mean 'deribit'",
    ),
    (
        {
            "scenarios": {
                **BASE["scenarios"],
                "events": [{"kind": "liquidity_drain", "asset_fall": "BTCC", "fall": 0.1}],
            }
        },
        "did you mean 'BTC'",
    ),
    ({"stress": {"names": ["2020-03-21"]}}, "did you mean '2020-03-12'"),
    ({"stress": {"grids": [{"assets": ["BTCC"]}]}}, "did you mean 'BTC'"),
    ({"stress": {"scenarios": [{"name": "own", "spot": {"BTCC": -0.1, "*": 0.0}}]}}, "did you mean 'BTC'"),
]


def _solve(book: Book, market: ho.Market, data: dict[str, Any]) -> None:
    Policy(**{**BASE, **data}, lots="ideal").propose(book, market)


@pytest.mark.parametrize(("limit", "said"), LIMITS, ids=lambda v: json.dumps(v) if isinstance(v, dict) else "")
def test_a_limit_that_names_nothing_is_refused(limit, said, toy_book: Book, toy_market: ho.Market):
    with pytest.raises(ho.InputError, match=said):
        _solve(toy_book, toy_market, {"subject_to": [limit]})


@pytest.mark.parametrize(("change", "said"), SETTINGS, ids=lambda v: json.dumps(v) if isinstance(v, dict) else "")
def test_a_setting_that_names_nothing_is_refused(change, said, toy_book: Book, toy_market: ho.Market):
    with pytest.raises(ho.InputError, match=said) as caught:
        _solve(toy_book, toy_market, change)
    assert "\n" not in str(caught.value)


def test_a_general_policy_may_name_what_the_book_does_not_hold(toy_book: Book, toy_market: ho.Market):
    change = {
        "candidates": {"paused_venues": ["aave"]},
        "scenarios": {**BASE["scenarios"], "vol": {"SOL": 0.9}},
    }
    expose(toy_book, toy_market, Policy(**{**BASE, **change}, lots="ideal"), trades=False)


def test_a_stress_file_is_checked_too(tmp_path: Path, toy_book: Book, toy_market: ho.Market):
    path = tmp_path / "own.toml"
    path.write_text('[[event]]\nname = "own"\ntitle = "own"\nspot = { BTCC = -0.2, "*" = 0.0 }\n')
    with pytest.raises(ho.InputError, match=r"own.toml: .*spot: unknown asset \(got 'BTCC'\); did you mean 'BTC'"):
        _solve(toy_book, toy_market, {"stress": {"files": [str(path)]}})


def test_a_venue_that_is_nearly_spelt_like_one_with_a_rule_is_not_taken_as_one_that_lends_nothing():
    with pytest.raises(ValueError, match=r"unknown venue 'derbit': did you mean 'deribit'"):
        Account(name="a", venue="derbit")
    with pytest.raises(ValueError, match=r"unknown venue 'Deribit': did you mean 'deribit'"):
        Account(name="a", venue="Deribit")
    assert Account(name="a", venue="derbit", margin="none").venue == "derbit"
    assert Account(name="a", venue="uniswap").margin == "standard"


def test_a_margin_model_and_the_accounts_of_links_are_said_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown margin model.*did you mean 'portfolio'"):
        Account(name="a", venue="deribit", margin="portfolo")
    accounts = tuple(Account(name=n, venue="uniswap", collateral=(Collateral(asset="USDC", amount=1.0),)) for n in "ab")
    with pytest.raises(ValueError, match=r"names the account 'walet'.*known: a, b"):
        Book(accounts=accounts, links=(Link(source="a", target="walet", asset="USDC"),))


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ('[candidates]\npaused_venues = ["derbit"]\n', "did you mean 'deribit'"),
        ('[candidates]\nkinds = ["optoin"]\n', "did you mean 'option'"),
    ],
)
def test_the_command_line_says_it_in_one_line_and_exits_2(extra, said, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from hedgeopt.cli import main
    from hedgeopt.example.generate import example_files

    texts = example_files()
    texts["policy.toml"] = (
        '[[minimize]]\nterm = { kind = "transaction_cost" }\n[scenarios]\nkind = "parametric"\ncount = 50\n' + extra
    )
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert main(["solve", *(f"--{name.split('.')[0]}={tmp_path / name}" for name in texts)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
