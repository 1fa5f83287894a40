"""A book in terms of one of its assets: P&L and CVaR in coins, delta less what equity is in that coin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.risk import risk_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in example_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def policy(numeraire: str | None = None) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.9),
        subject_to=[ho.Delta("BTC").within(-0.5, 0.5)],
        scenarios=ho.ParametricScenarios(count=100, vol={"BTC": 0.6, "ETH": 0.7}),
        numeraire=numeraire,
    )


def coins(asset: str, amount: float) -> ho.Book:
    posted = (ho.Collateral(asset=asset, amount=amount),)
    return ho.Book(accounts=(ho.Account(name="main", venue="deribit", collateral=posted),))


def test_coins_are_no_risk_in_their_own_terms_and_dollars_are(folder: Path) -> None:
    market = ho.read_market(folder / "market.csv")
    e = expose(coins("BTC", 10.0), market, policy("BTC"), trades=False)
    assert e.base_pnl == pytest.approx(np.zeros(100), abs=1e-6)
    assert risk_report(e).greeks["BTC"]["delta"] == pytest.approx(0.0, abs=1e-9)
    assert any("equity is 10 BTC" in note for note in e.notes)


def test_by_its_definition(folder: Path) -> None:
    """(V + P) / N_s - V / N coins, at any trades."""
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    usd, btc = (expose(book, market, policy(name)) for name in (None, "BTC"))
    x = np.random.default_rng(3).normal(size=usd.n_candidates)
    value, price = float(usd.equity.sum()), usd.price("BTC")
    after = price * usd.scenarios.price_factor("BTC")
    coins = (value + usd.base_pnl + usd.pnl @ x) / after - value / price
    assert (btc.base_pnl + btc.pnl @ x) / price == pytest.approx(coins, rel=1e-9)
    delta = [risk_report(e).greeks["BTC"]["delta"] for e in (usd, btc)]
    assert delta[1] == pytest.approx(delta[0] - value / price)
    assert btc.stress_base is usd.stress_base or (btc.stress_base == usd.stress_base).all()


def test_solved_and_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "policy.toml"
    path.write_text(policy("BTC").to_toml(), encoding="utf-8")
    given = ["--book", str(folder / "book.json"), "--market", str(folder / "market.csv"), "--policy", str(path)]
    assert main(["solve", *given, "--out", str(folder / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert abs(told["after"]["greeks"]["BTC"]["delta"]) <= 0.5 + 1e-6
    assert any("in terms of BTC" in note for note in told["notes"])
    assert main(["verify", str(folder / "out" / "proposal.json"), *given]) == 0
    capsys.readouterr()
    assert main(["risk", *given, "--json"]) == 0
    risk = json.loads(capsys.readouterr().out)
    assert risk["numeraire"]["cvar"]["0.99"] == pytest.approx(risk["risk"]["cvar"]["0.99"] / risk["numeraire"]["price"])


@pytest.mark.parametrize("name", ["SOL", "BTCC"])
def test_another_asset_is_refused(folder: Path, name: str) -> None:
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    with pytest.raises(ho.InputError, match="numeraire: is no asset of the book"):
        expose(book, market, policy(name), trades=False)
