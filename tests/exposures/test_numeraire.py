"""A book in terms of one of its assets: P&L and CVaR in coins, delta less what equity is in that coin."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.program.counted import in_dollars
from hedgeopt.reports.headline import headline
from hedgeopt.verify import claim_of, judge


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
        lots="ideal",
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
    factor = usd.stress_prices[:, usd.asset("BTC")] / price
    for k in range(len(usd.stress)):
        there = (value + usd.stress_base[k] + usd.stress_pnl[k] @ x) / (price * factor[k]) - value / price
        assert risk_report(btc, x).stress[usd.stress[k]] == pytest.approx(there, rel=1e-9)


def test_the_tail_is_that_of_coins_not_the_dollar_tail_converted(folder: Path) -> None:
    """Evaluated a second time: worst scenarios in coins by a sort of their own."""
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    usd, btc = (expose(book, market, policy(name), trades=False) for name in (None, "BTC"))
    value, price = float(usd.equity.sum()), usd.price("BTC")
    coins = value / price - (value + usd.base_pnl) / (price * usd.scenarios.price_factor("BTC"))
    told = risk_report(btc, levels=(0.9,))
    assert told.cvar["0.9"] == pytest.approx(np.sort(coins)[-10:].mean(), rel=1e-9)
    assert told.expected_pnl == pytest.approx(-coins.mean(), rel=1e-9)
    assert abs(told.cvar["0.9"] / (risk_report(usd, levels=(0.9,)).cvar["0.9"] / price) - 1.0) > 0.05


FLAT = {"BTC": 1e-9, "ETH": 0.7}
"""Vols of a sample in which a coin is worth the same dollars at the horizon."""


def test_each_figure_is_dollars_over_the_price_where_that_does_not_move(folder: Path) -> None:
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    rules = [
        policy(name).model_copy(update={"scenarios": ho.ParametricScenarios(count=100, vol=FLAT)}) for name in (None, "BTC")
    ]
    one, two = (risk_report(expose(book, market, rule, trades=False)) for rule in rules)
    n = market.price("BTC")
    assert (one.unit, one.unit_price, two.unit, two.unit_price) == ("USD", 1.0, "BTC", n)
    for name in ("equity", "carry", "expected_pnl"):
        assert getattr(two, name) == pytest.approx(getattr(one, name) / n, rel=1e-4)
    for name in ("cvar", "value_at_risk"):
        assert list(getattr(two, name).values()) == pytest.approx([x / n for x in getattr(one, name).values()], rel=1e-4)
    for mine, theirs in zip(two.accounts, one.accounts, strict=True):
        for name in ("equity", "initial_margin", "maintenance_margin"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name) / n)
    for mine, theirs in zip(two.positions, one.positions, strict=True):
        for name in ("value", "notional", "carry"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name) / n)
    for asset, greeks in one.greeks.items():
        for name, found in greeks.items():
            money = GREEK_UNITS[name].startswith("USD")
            less = one.equity / n if (asset, name) == ("BTC", "delta") else 0.0
            assert two.greeks[asset][name] == pytest.approx(found / n if money else found - less)
    assert two.gross_leverage == pytest.approx(one.gross_leverage)


def test_limits_and_weights_count_in_coins(folder: Path) -> None:
    """The same question asked in dollars at the price of a coin that does not move, and in coins."""
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    n, answers = market.price("BTC"), []
    for unit, name in ((n, "USD"), (1.0, "BTC")):
        rule = ho.Policy(
            minimize=ho.TransactionCost() + 0.5 * ho.CVaR(0.9) + (1e-3 / unit) * ho.Variance(),
            subject_to=[
                ho.Delta("ETH").within(-5.0, 5.0),
                ho.Vega("BTC").within(-0.03 * unit, 0.03 * unit),
                ho.CVaR(0.99) <= 0.9 * unit,
                ho.TransactionCost() - ho.Carry() <= 0.5 * unit,
            ],
            scenarios=ho.ParametricScenarios(count=1100, vol=FLAT),
            numeraire=name,
            lots="ideal",
        )
        answers.append(ho.propose(book, market, rule))
    usd, btc = answers
    assert usd.unit == "USD"
    assert btc.unit == "BTC"
    assert btc.certificate.objective == pytest.approx(usd.certificate.objective / n, rel=1e-4)
    assert btc.costs["transaction"] == pytest.approx(usd.costs["transaction"] / n, rel=1e-3)
    told = btc.limits.set_index("limit")
    assert told.loc["cvar 0.99", ["bound", "unit"]].tolist() == [0.9, "BTC"]
    assert told.loc["vega BTC upper", ["bound", "unit"]].tolist() == [pytest.approx(0.03), "BTC per vol point"]
    assert told.loc["delta ETH upper", ["bound", "unit"]].tolist() == [5.0, "coin"]
    other = usd.limits.set_index("limit")
    for name in told.index:
        power = int("BTC" in told.loc[name, "unit"])
        assert told.loc[name, "after"] == pytest.approx(other.loc[name, "after"] / n**power, rel=1e-2, abs=1e-3)
    assert btc.objective["unit"].tolist() == ["BTC", "BTC", "BTC^2"]
    assert btc.objective["weight"].tolist() == [1.0, 0.5, 1e-3]
    words = headline(btc)
    assert " BTC to trade" in words.cost
    assert " BTC after trading" in words.sample
    page = btc.to_html()
    assert "P&amp;L, BTC" in page or "P&L, BTC" in page
    assert ho.read_proposal(json.loads(btc.to_json())) == btc


def test_what_cannot_be_met_is_told_in_coins(folder: Path) -> None:
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    rule = policy("BTC").model_copy(update={"subject_to": ((ho.CVaR(0.9) <= 1.0), (ho.TransactionCost() <= 1e-6))})
    with pytest.raises(ho.InfeasibleError, match="BTC") as caught:
        ho.propose(book, market, rule)
    assert {unit for _, _, unit in caught.value.violations.values()} <= {"BTC"}


def test_solved_and_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "policy.toml"
    path.write_text(policy("BTC").to_toml(), encoding="utf-8")
    given = ["--book", str(folder / "book.json"), "--market", str(folder / "market.csv"), "--policy", str(path)]
    assert main(["solve", *given, "--out", str(folder / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert abs(told["after"]["greeks"]["BTC"]["delta"]) <= 0.5 + 1e-6
    assert any("count in BTC" in note for note in told["notes"])
    assert main(["verify", str(folder / "out" / "proposal.json"), *given]) == 0
    capsys.readouterr()
    assert main(["risk", *given, "--json"]) == 0
    risk = json.loads(capsys.readouterr().out)
    assert risk["risk"]["unit"] == "BTC"
    assert risk["numeraire"] == {"asset": "BTC", "price": risk["risk"]["unit_price"]}
    path.write_text(policy().to_toml(), encoding="utf-8")
    assert main(["risk", *given, "--json"]) == 0
    dollars = json.loads(capsys.readouterr().out)["risk"]
    assert risk["risk"]["equity"] == pytest.approx(dollars["equity"] / risk["numeraire"]["price"])
    path.write_text(policy("BTC").to_toml(), encoding="utf-8")
    assert main(["risk", *given]) == 0
    text = capsys.readouterr().out
    assert "BTC loss" in text
    assert "P&L, BTC" in text
    assert "Positions (BTC" in text
    assert main(["margin", *given]) == 0
    assert "Margin now in BTC" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda told: told["before"].update(unit="USD"), "before: numbers in USD at"),
        (lambda told: told["after"].update(unit_price=1.0), "after: numbers in BTC at 1.0 USD are reported"),
        (lambda told: told["after"]["cvar"].update({"0.99": 3.21}), "after: cvar 0.99"),
        (lambda told: told["limits"][0].update(bound=-0.4), "a bound of -0.4 is reported"),
        (lambda told: told["costs"].update(transaction=told["costs"]["transaction"] * 1.01), "costs: transaction"),
        (lambda told: told["objective"][0].update(weight=2.0), "term 0 of the objective"),
    ],
)
def test_a_number_changed_in_coins_is_found(folder: Path, change: Any, words: str, solved: dict[str, Any]) -> None:
    told = json.loads(json.dumps(solved["told"]))
    change(told)
    found = judge(claim_of(told), solved["e"], solved["market"], solved["policy"].model_dump(mode="json"))
    assert any(words in line for line in found.wrong), found.wrong


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    market, book = (
        read(io.StringIO(example_files()[name]))
        for read, name in ((ho.read_market, "market.csv"), (ho.read_book, "book.json"))
    )
    rules = policy("BTC")
    told = ho.propose(book, market, rules).to_dict()
    return {"told": told, "e": expose(book, market, rules), "market": market, "policy": rules}


def test_an_asset_that_the_book_does_not_hold(folder: Path) -> None:
    """Dollars are short of coins, in terms of coins: delta, tail and stress."""
    market = ho.read_market(folder / "market.csv")
    e = expose(coins("USDC", 921_500.0), market, policy("BTC"), trades=False)
    told, n = risk_report(e, levels=(0.9,)), market.price("BTC")
    assert told.equity == pytest.approx(921_500.0 / n)
    assert told.greeks["BTC"]["delta"] == pytest.approx(-921_500.0 / n)
    coin = e.scenarios.price_factor("BTC")
    assert told.cvar["0.9"] == pytest.approx(told.equity * np.sort(1.0 - 1.0 / coin)[-10:].mean(), rel=1e-9)
    rule = policy("BTC").model_copy(update={"candidates": ho.Candidates(underlyings=("BTC",))})
    hedged = ho.propose(coins("USDC", 921_500.0), market, rule)
    assert abs(hedged.after.greeks["BTC"]["delta"]) <= 0.5 + 1e-6


def test_rounding_is_no_loss(folder: Path) -> None:
    told = risk_report(expose(coins("BTC", 10.0), ho.read_market(folder / "market.csv"), policy("BTC"), trades=False))
    assert set(told.cvar.values()) == {0.0}
    assert set(told.stress.values()) == {0.0}


@pytest.mark.parametrize("name", ["SOL", "BTCC"])
def test_another_asset_is_refused(folder: Path, name: str) -> None:
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    with pytest.raises(ho.InputError, match="numeraire: is priced by neither book nor market"):
        expose(book, market, policy(name), trades=False)


def test_a_limit_of_dollars_under_another_numeraire_is_refused(folder: Path) -> None:
    """300,000 written for dollars is no limit at all in BTC: more than 100 times what the book is worth."""
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    rule = policy("BTC").model_copy(update={"subject_to": (ho.CVaR(0.99) <= 300_000.0,)})
    with pytest.raises(ho.InputError, match=r"300,000 BTC is [\d,]+ × the book's equity .*did you mean USD\?"):
        ho.propose(book, market, rule)
    told = expose(book, market, policy("BTC"), trades=False)
    most = 99.0 * float(told.equity.sum()) / market.price("BTC")
    assert in_dollars(rule.model_copy(update={"subject_to": (ho.CVaR(0.99) <= most,)}), told).subject_to[0].upper == (
        pytest.approx(most * market.price("BTC"))
    )


def test_trades_transfers_and_margin_are_shown_in_it_everywhere(toy_book, toy_market) -> None:
    """Page, terminal and CSV divide the dollars of the certified file by today's price and name the unit."""
    from io import StringIO

    import pandas as pd
    from rich.console import Console

    from hedgeopt.measures.margin_report import margin_report
    from hedgeopt.reports.margin import margin_tables
    from hedgeopt.reports.proposal_csv import proposal_csv
    from hedgeopt.reports.terminal import proposal_report

    price = toy_market.price("BTC")
    scenarios = ho.ParametricScenarios(count=60)
    limit = ho.Delta("BTC").within(-0.5, 0.5)
    options = {"subject_to": [limit], "scenarios": scenarios, "lots": "ideal"}
    rules = {unit: ho.Policy(minimize=ho.TransactionCost(), numeraire=unit, **options)
             for unit in (None, "BTC")}  # fmt: skip
    dollars, coins = (ho.propose(toy_book, toy_market, rule) for rule in rules.values())
    assert len(coins.trades)  # in dollars: what is verified and stored
    told = pd.read_csv(StringIO(proposal_csv(coins)["trades.csv"]))
    assert set(told.pop("counted_in")) == {"BTC"}
    for name in ("notional", "premium", "cost", "fee", "vega"):
        assert (told[name] * price).tolist() == pytest.approx(coins.trades[name].tolist(), rel=1e-12), name
    for name in ("price", "quantity", "delta", "gamma"):
        assert told[name].tolist() == pytest.approx(coins.trades[name].tolist(), rel=1e-12), name
    assert "counted_in" not in proposal_csv(dollars)["trades.csv"]
    page = coins.to_html()
    for word in ("notional, BTC", "left over, BTC", "BTC of underlying"):
        assert word in page
    assert "notional, USD" not in page
    shown = Console(width=220, file=StringIO())
    shown.print(proposal_report(coins))
    assert "notional and cost in BTC" in shown.file.getvalue()  # type: ignore[attr-defined]
    here, there = (margin_report(toy_book, toy_market, rule) for rule in rules.values())
    assert (there.unit, there.unit_price) == ("BTC", price)
    assert there.to_dict()["unit"] == "BTC"
    for one, two in zip(here.accounts, there.accounts, strict=True):
        assert two.now.equity * price == pytest.approx(one.now.equity)
        assert two.now.maintenance * price == pytest.approx(one.now.maintenance)
        assert [s.left * price for s in two.stresses] == pytest.approx([s.left for s in one.stresses])
        assert two.now.utilisation == pytest.approx(one.now.utilisation)
    shown = Console(width=220, file=StringIO())
    shown.print(margin_tables(there))
    assert "Margin now in BTC" in shown.file.getvalue()  # type: ignore[attr-defined]
