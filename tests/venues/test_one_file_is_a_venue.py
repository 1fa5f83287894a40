"""One TOML file makes a venue usable on the command line: risk, margin, solve, verify and backtest, all from files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.cli import main

from .test_a_venue_by_toml import PATH, START, book, chain

TIERS = 'type = "tiers"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n'
RIGHT = "{ initial_out = 0.15, initial_floor = 0.1, maintenance = 0.03, maintenance_mark = 0.03, fee = 0.002 }"
SHORT = (
    'type = "short_option"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n'
    f"[margin.option]\ncall = {RIGHT}\nput = {RIGHT}\n"
)
POLICY = """
tables = ["nova.toml", "tokens.toml", "events.toml"]
[[minimize]]
term = { kind = "transaction_cost" }
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "ETH" }
lower = -0.5
upper = 0.5
[[subject_to]]
kind = "margin_utilisation"
limit = 0.9
[candidates]
kinds = ["perpetual"]
[scenarios]
kind = "parametric"
count = 100
vol = { ETH = 0.6 }
"""
TOKENS = 'as_of = 2026-03-01\nshelf_life_days = 365\ndollar = ["XUSD"]\n[aliases]\nXUSDX = "XUSD"\n'
EVENT = '[[event]]\nname = "our crash"\n[event.spot]\n"*" = -0.35\n[event.vol]\n"*" = 1.7\n'
BACKTEST = """
name = "nova"
tables = ["nova.toml", "tokens.toml", "events.toml"]
[replay]
chains = ["chain.parquet"]
venue = "nova"
[risk.scenarios]
kind = "parametric"
count = 64
[[books]]
kind = "fixed"
name = "held"
file = "book.json"
[[policies]]
kind = "do_nothing"
"""


@pytest.fixture(params=["grid", "tiers", "short_option"])
def desk(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder of files and nothing in the environment; quotes in the neutral table."""
    monkeypatch.setenv("HEDGEOPT_TABLES", "")
    page = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(# .*?nova.*?)```", page, re.DOTALL)
    if request.param != "grid":
        rule = TIERS if request.param == "tiers" else SHORT
        text = re.sub(r"\[margin\].*?(?=\[haircut\])", f"[margin]\n{rule}\n", text, flags=re.DOTALL)
    text = text.replace("[haircut]\n", "[haircut]\nXUSD = 0.05\n")
    files = {
        "nova.toml": text,
        "tokens.toml": TOKENS,
        "events.toml": EVENT,
        "policy.toml": POLICY,
        "backtest.toml": BACKTEST,
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    rows = chain(START, PATH[0])
    pd.concat([chain(START + pd.Timedelta(days=k), index) for k, index in enumerate(PATH[:2])]).to_parquet(
        tmp_path / "chain.parquet"
    )
    names = {"instrument_name": "instrument", "bid_price": "bid", "ask_price": "ask", "mark_price": "mark", "mark_iv": "iv",
             "underlying_price": "forward", "index_price": "index", "option_type": "right"}  # fmt: skip
    quotes = rows.rename(columns=names).drop(columns=["currency", "open_interest"])
    quotes.assign(venue="nova").to_csv(tmp_path / "quotes.csv", index=False)
    positions = {"ETH-PERP": 10.0} if request.param == "tiers" else {"ETH-20260327-2000-C": -50.0, "ETH-PERP": 10.0}
    held = json.loads(book(positions).model_dump_json())
    held["accounts"][0]["collateral"].append({"asset": "XUSDX", "amount": 1_000.0})
    (tmp_path / "book.json").write_text(json.dumps(held), encoding="utf-8")
    return tmp_path


def test_every_command_takes_the_files(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--book", str(desk / "book.json"), "--market", str(desk / "quotes.csv")]
    rules = ["--policy", str(desk / "policy.toml")]
    tables = [word for name in ("nova", "tokens", "events") for word in ("--tables", str(desk / f"{name}.toml"))]
    for command in ("risk", "margin"):
        assert main([command, *given, *tables, "--json"]) == 0, capsys.readouterr().err
        said = capsys.readouterr().out
        assert "nova" in said
        assert command == "margin" or "our crash" in said
    assert main(["solve", *given, *rules, "--out", str(desk / "out"), "--json"]) == 0, capsys.readouterr().err
    proposal = json.loads(capsys.readouterr().out)
    assert proposal["trades"]
    assert {"table nova", "table tokens", "table events"} <= set(proposal["inputs"])
    assert main(["verify", str(desk / "out" / "proposal.json"), *given, *rules]) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert main(["backtest", str(desk / "backtest.toml"), "--json"]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)[0]["steps"] == 2


def test_without_the_table_the_line_names_the_file_to_write(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--book", str(desk / "book.json"), "--market", str(desk / "quotes.csv")]
    assert main(["risk", *given]) == 2
    said = capsys.readouterr().err
    assert "write nova.toml (hedgeopt schema venue)" in said
    assert "site-packages" not in said


@pytest.mark.parametrize("what", ["venue", "assets", "stress"])
def test_the_schema_of_a_table_is_printed_and_takes_it(what: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tomllib

    from jsonschema import Draft202012Validator

    assert main(["schema", what]) == 0
    schema = json.loads(capsys.readouterr().out)
    file = {"venue": "nova", "assets": "tokens", "stress": "events"}[what]
    data = json.loads(json.dumps(tomllib.loads((desk / f"{file}.toml").read_text()), default=str))
    Draft202012Validator(schema).validate(data)


def test_the_tokens_that_venues_list_are_known() -> None:
    listed = ("STETH", "USDe", "WSTETH", "CBBTC", "USDH", "FDUSD", "GHO", "BUIDL", "crvUSD", "USDC.e")
    dollars = {"USDe", "USDH", "FDUSD", "GHO", "BUIDL", "crvUSD", "USDC.e"}
    held = tuple(ho.Collateral(asset=name, amount=1.0) for name in listed)
    account = ho.Account(name="a", venue="deribit", margin="none", collateral=held)
    market = ho.read_market(
        [
            {"timestamp": START, "venue": "deribit", "instrument": f"{coin}-PERPETUAL", "mark": price, "index": price}
            for coin, price in (("BTC", 100_000.0), ("ETH", 3_000.0))
        ],
        prices={"stETH": 2_990.0, "wstETH": 3_600.0, "cbBTC": 99_900.0},
    )
    worth = {one.asset: market.price(one.asset) for one in account.collateral}
    assert sorted(worth.values()) == [1.0] * len(dollars) + [2_990.0, 3_600.0, 99_900.0]
