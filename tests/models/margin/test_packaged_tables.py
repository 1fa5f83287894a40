"""Tables that extend a packaged one: every name in a margin section is read, and every number can be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
from hedgeopt.models.margin.rules import margin_model

BRACKETS = [
    ("[[2000000, 100]]", "is no bracket of three numbers"),
    ("[[2000000, 100, 5]]", "is out of range"),
    ("[[2000000, 100, 0.5]]", r"asks for more maintenance \(0.5\) than initial margin"),
    ('[["a", 100, 0.005]]', "is no bracket of three numbers"),
    ("[]", "must be a list of brackets"),
    ("[[2000000, 100, 0.005], [1000000, 50, 0.01]]", "brackets are out of order"),
    ("[[2000000, 100, 0.01], [3000000, 50, 0.005]]", "brackets are out of order"),
    ("[[2000000, 0, 0.005]]", "is out of range"),
    ("[[2000000, 100, nan]]", "is out of range"),
]
WRONG = [
    (
        "okx_portfolio",
        "[portfolio_margin]\ninital_factor = 2",
        r"inital_factor: .*read by nothing.*'initial_",
    ),
    ("okx_portfolio", "[portfolio_margin]\ntheta_day = 3", r"portfolio_margin\.theta_day: .*did you mean 'theta_days'"),
    ("okx_portfolio", "[portfolio_margin.btc]\nextreme = 0.9", r"portfolio_margin\.btc: .*did you mean 'BTC'"),
    ("okx_portfolio", "[portfolio_margin.BTC]\nextrem = 0.9", r"\[portfolio_margin\.BTC\]: extrem.*did you mean 'extreme'"),
    ("okx_portfolio", '[portfolio_margin.groups]\nBTC = "huge"', r"groups\.BTC: is no group .*'huge'.*large"),
    ("okx_portfolio", "[portfolio_margin.loans]\nUSDT = 2", r"portfolio_margin\.loans\.USDT"),
    ("bybit", "[portfolio_margin.btc]\nfutures = 0.1", r"portfolio_margin\.btc: is no coin.*'BTC'"),
    ("bybit", "[portfolio_margin]\nfutures = 0.1", r"portfolio_margin\.futures: is read by nothing"),
    ("bybit", "[portfolio_margin.BTC]\nfuture = 0.1", r"portfolio_margin\.BTC\]: future.*did you mean 'futures'"),
    ("bybit", "[margin]\ninitals = {}", r"\[margin\]: initals"),
    ("bybit", "[margin.option.put]\nfee = 2", r"fee.*must be 0\.05 or less"),
    ("binance", "[portfolio_margin]\ninital_ratio = 2", r"inital_ratio.*did you mean 'initial_ratio'"),
    ("binance", "[portfolio_margin]\ninitial_ratio = 0.5", r"initial_ratio.*must be 1 or more"),
    ("binance", "[margin]\nbracket = {}", r"margin\.bracket: is read by nothing.*brackets"),
    ("deribit", "[portfolio_margin]\ninitial_facto = 2", r"portfolio_margin\.initial_facto: is read by nothing"),
    ("deribit", "[portfolio_margin.BTC]\nrnge = 0.2", r"portfolio_margin\.BTC\.rnge: is read by nothing.*'range'"),
    ("deribit", "[portfolio_margin.btc]\nrange = 0.2", r"portfolio_margin\.btc: is read by nothing.*'BTC'"),
    ("deribit", "[standard_margin.XRP]\ninitial_base = 0.2", r"standard_margin\.XRP\.\w+: is missing"),
    ("deribit", "[portfolio_margin]\ninitial_factor = inf", r"must be a finite number"),
    ("derive", "[portfolio_margin.skw]\nlinear_cap = 0.2", r"portfolio_margin\.skw: is read by nothing.*'skew'"),
    ("derive", "[standard_manager.perpetual.NEW]\ninitial = 0.2", r"perpetual\.NEW\.maintenance: is missing"),
    ("paradex", "[portfolio_margin.SOL]\nunhedged = 0.2", r"portfolio_margin\.SOL\.\w+: is missing"),
    ("paradex", "[portfolio_margin.BTC]\nscenarios = [[0.1, 0.1, 1.0]]", r"BTC\.scenarios: hold none that goes down"),
    ("derive", '[portfolio_margin]\nscenarios = [[0.9, "up", 1.0]]', r"margin\.scenarios: hold none that goes up"),
    ("bybit", "[portfolio_margin.BTC]\nmoves = [-0.1, 0.0]", r"moves: hold none that goes up"),
    ("okx_portfolio", "[portfolio_margin.large]\nmoves = [0.0, 0.1]", r"moves: hold none that goes down"),
    ("hyperliquid", "[margin]\nmaintenance_shares = 0.5", r"margin\.maintenance_shares: is read by nothing"),
    ("hyperliquid", "[margin]\nmaintenance_share = 5", r"maintenance_share.*must be 1 or less"),
    ("hyperliquid", "[margin.tiers]\nKPEPE = [[0, 20]]", r"did you mean 'kPEPE'"),
    ("dydx", '[margin.markets]\nNEW = "huge-cap"', r"margin\.markets\.NEW: names no tier.*'huge-cap'"),
    ("dydx", "[margin.tiers.own]\ninitial = 0.5", r"margin\.tiers\.own\.\w+: is missing"),
    ("aave", "[reserve.NEW]\nltv = 0.5", r"reserve\.NEW\.\w+: is missing"),
    ("aave", "[reserve.ETH]\nlvt = 0.5", r"reserve\.ETH\.lvt: is read by nothing.*'ltv'"),
]
OKX = 'initial_factor = 2.0\ngroups = { NEW = "middle" }\n[portfolio_margin.NEW]\nextreme = 0.9'
STANDARD = "initial_base = 0.2\ninitial_per_coin = 0.0\nmaintenance_base = 0.1\nmaintenance_per_coin = 0.0"
BYBIT = "BTC = [[2000000, 100, 0.005], [10000000, 50, 0.01]]\n[portfolio_margin.loans]\nUSDT = 0.1"
RIGHT = [
    ("okx_portfolio", f"[portfolio_margin]\n{OKX}"),
    ("okx_portfolio", "[portfolio_margin]\ninitial_factor = 1.3"),
    ("bybit", f"[margin.brackets]\n{BYBIT}"),
    ("binance", "[margin.brackets]\nNEW = [[2000000, 100, 0.005]]"),
    ("deribit", f"[standard_margin.XRP]\n{STANDARD}"),
    ("paradex", "[portfolio_margin.SOL]\nunhedged = 0.2\nhedged = 0.1\nscenarios = [[0.1, 0.1, 1.0], [-0.1, 0.1, 1.0]]"),
    ("hyperliquid", "[margin.tiers]\nNEW = [[0, 20], [1000, 10]]"),
    ("dydx", '[margin.markets]\nNEW = "mid-cap"'),
    ("aave", "[reserve.NEW]\nltv = 0.5\nthreshold = 0.6\nbonus = 0.05"),
    ("derive", "[portfolio_margin.collateral.NEW]\ninitial = 0.5\nmaintenance = 0.6"),
]


def read(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / f"{name}.toml"
    path.write_text(f'extends = "{name}"\nas_of = 2026-03-01\nshelf_life_days = 90\n{text}\n')
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    margin_model("none", "deribit")


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_what_no_rule_reads_is_refused(
    name: str, text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file, the section, and what was meant."""
    with pytest.raises(InputError, match=words) as caught:
        read(name, text, tmp_path, monkeypatch)
    assert f"{name}.toml" in str(caught.value)


@pytest.mark.parametrize("venue", ["bybit", "binance"])
@pytest.mark.parametrize(("rows", "words"), BRACKETS)
def test_brackets_that_are_none(venue: str, rows: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read(venue, f"[margin.brackets]\nBTC = {rows}", tmp_path, monkeypatch)
    assert f"{venue}.toml" in str(caught.value)
    assert "brackets" in str(caught.value)


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_coins_may_be_added(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(name, text, tmp_path, monkeypatch)


def test_parameters_given_in_python_are_checked_too() -> None:
    good = OkxPortfolio()._data
    with pytest.raises(InputError, match=r"groups\.BTC: is no group"):
        OkxPortfolio({**good, "groups": {**good["groups"], "BTC": "huge"}})
    with pytest.raises(InputError, match=r"inital_factor"):
        OkxPortfolio({**good, "inital_factor": 2.0})
