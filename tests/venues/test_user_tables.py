"""User tables of venues, assets and stress scenarios: named by the policy or on the command line, never in the package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.inputs.policy import read_policy
from hedgeopt.measures.margin_report import margin_report
from hedgeopt.models.data import (
    about,
    asset_name,
    decimals,
    dollar_assets,
    own_tables,
    pegged_assets,
    table,
    use_tables,
    venues,
)
from hedgeopt.models.margin.rules import margin_model
from hedgeopt.models.pegs import moved_by
from hedgeopt.models.scenarios.stress_table import StressSettings, known_events
from hedgeopt.program.provenance import input_hashes

HEAD = "as_of = 2026-03-01\nshelf_life_days = 365\n"
TOKEN = HEAD + 'dollar = ["XUSD"]\n[pegged]\nlsSOL = "SOL"\n[aliases]\nLSSOL = "lsSOL"\n[decimals]\nXUSD = 6\n'
EVENT = '[[event]]\nname = "our crash"\n[event.spot]\n"*" = -0.35\n[event.vol]\n"*" = 1.7\n'
DESK = (
    HEAD
    + 'extends = "deribit"\nfee_tier = "vip"\n[fee_tiers.vip]\nperpetual_taker = 0.0003\n'
    + "[haircut]\nXUSD = 0.1\nSTETH = 0.2\n"
)


@pytest.fixture(autouse=True)
def _none_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEOPT_TABLES", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"tokens": TOKEN, "events": EVENT, "deribit": DESK}.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    for name, text in example_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = tmp_path / "policy.toml"
    path.write_text(re.sub(r"count = [\d_]+", "count = 200", path.read_text(encoding="utf-8")), encoding="utf-8")
    return tmp_path


def test_names_that_venues_and_chains_spell_otherwise() -> None:
    spelt = {"STETH": "stETH", "WSTETH": "wstETH", "CBBTC": "cbBTC", "USDe": "USDE", "BTC": "BTC"}
    assert {name: asset_name(name) for name in spelt} == spelt
    assert {"USDE", "USDH", "FDUSD", "GHO", "BUIDL", "crvUSD", "USDC.e"} <= dollar_assets()
    posted = ho.Collateral(asset="STETH", amount=2.0)
    assert posted.asset == "stETH"
    assert moved_by(posted.asset) == ("ETH", "stETH/ETH")
    assert (decimals("USDC"), decimals("CBBTC"), decimals("nothing")) == (6, 8, None)


def test_a_policy_names_its_tables(folder: Path) -> None:
    text = (folder / "policy.toml").read_text(encoding="utf-8")
    (folder / "policy.toml").write_text('tables = ["tokens.toml", "events.toml", "deribit.toml"]\n' + text, encoding="utf-8")
    policy = read_policy(folder / "policy.toml")
    assert policy.tables == ("tokens.toml", "events.toml", "deribit.toml")
    assert "XUSD" in dollar_assets()
    assert pegged_assets()["lsSOL"] == "SOL"
    assert ho.Collateral(asset="LSSOL", amount=1.0).asset == "lsSOL"
    assert "our crash" in {event.name for event in known_events()}
    assert [event.name for event in StressSettings(names=("our crash",)).chosen()] == ["our crash"]
    assert table("deribit")["fees"]["perpetual_taker"] == 0.0003
    assert table("deribit")["fees"]["option_rate"] == 0.0003  # the packaged one
    assert table("deribit")["haircut"]["stETH"] == 0.2  # by its one name
    assert about("deribit").as_of.year == 2026
    assert "haircut.USDT" in about("deribit").unverified


def test_a_proposal_has_their_digests_and_verifies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book, market, policy = (str(folder / name) for name in ("book.json", "market.csv", "policy.toml"))
    given = ["--book", book, "--market", market, "--policy", policy]
    more = ["--tables", str(folder / "deribit.toml"), "--tables", str(folder / "events.toml")]
    assert main(["solve", *given, *more, "--out", str(folder / "out")]) == 0
    stored = json.loads((folder / "out" / "proposal.json").read_text(encoding="utf-8"))
    assert {"table deribit", "table events"} <= set(stored["inputs"])
    assert "our crash" in json.dumps(stored["before"])
    capsys.readouterr()
    assert main(["verify", str(folder / "out" / "proposal.json"), *given, *more]) == 0


def test_a_table_counts_in_risk_without_a_policy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--book", str(folder / "book.json"), "--market", str(folder / "market.csv"), "--json"]
    assert main(["risk", *given, f"--tables={folder / 'events.toml'}"]) == 0
    assert "our crash" in capsys.readouterr().out


def test_equal_paths_count_once_and_files_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    use_tables(folder / "tokens.toml")
    use_tables(folder / "tokens.toml", folder / "events.toml")
    assert list(own_tables()) == ["tokens", "events"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tokens.toml").write_text(TOKEN, encoding="utf-8")
    with pytest.raises(ho.InputError, match="there is a table of this name already"):
        use_tables(tmp_path / "more")
    assert list(own_tables()) == ["tokens", "events"]  # as before


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("tokens", TOKEN.replace('"XUSD"', '"stETH"', 1), "dollar: is pegged to ETH already"),
        ("tokens", TOKEN.replace('lsSOL = "SOL"', 'stETH = "SOL"'), r"pegged.stETH: is 'ETH' already"),
        ("tokens", TOKEN.replace("XUSD = 6", "XUSD = 60"), "decimals.XUSD must be 0 to 36"),
        ("tokens", TOKEN.replace('LSSOL = "lsSOL"', 'USDC = "USDT"'), "aliases.USDC: names an asset of its own"),
        ("tokens", TOKEN + "[rates]\nx = 1\n", "rates"),
        ("deribit", DESK.replace('extends = "deribit"\n', ""), 'add extends = "deribit"'),
        ("deribit", DESK.replace('fee_tier = "vip"', 'fee_tier = "vipp"'), "fee_tier: is no tier.*did you mean 'vip'"),
        ("deribit", DESK + "[standard_margin]\nBTC = 0.1\n", "standard_margin.BTC: must be a section"),
        (
            "deribit",
            DESK + '[standard_margin.BTC]\ninitial_base = "x"\n',
            "standard_margin.BTC.initial_base: must be a number",
        ),
        ("deribit", DESK + "[haircutt]\nX = 0.1\n", "haircutt: is no section of a venue table; did you mean 'haircut'"),
        ("other", DESK.replace('extends = "deribit"', 'extends = "moon"'), "extends: is no packaged venue"),
    ],
)
def test_a_slip_is_refused_with_its_file(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")

    def read() -> None:
        use_tables(tmp_path / f"{name}.toml")
        venues()
        table("assets")

    with pytest.raises(ho.InputError, match=words) as caught:
        read()
    assert f"{name}.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_names_the_file_to_write_and_not_the_package(folder: Path) -> None:
    posted = (ho.Collateral(asset="GHO", amount=1e5),)
    book = ho.Book(accounts=(ho.Account(name="a", venue="deribit", collateral=posted),))
    market = ho.read_market(folder / "market.csv")
    with pytest.raises(ho.InputError, match="GHO") as caught:
        margin_report(book, market)
    assert str(caught.value).startswith("deribit.toml: haircut: ")
    assert 'write deribit.toml beside the policy with extends = "deribit"' in str(caught.value)
    (folder / "deribit.toml").write_text(DESK.replace("XUSD = 0.1", "GHO = 0.1"), encoding="utf-8")
    use_tables(folder / "deribit.toml")
    assert margin_report(book, market)


def test_the_digest_is_of_the_file(folder: Path) -> None:
    book, market, policy = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv"), None
    use_tables(folder / "events.toml")
    policy = read_policy(folder / "policy.toml")
    one = input_hashes(book, market, policy)["table events"]
    (folder / "events.toml").write_text(EVENT + "# a word more\n", encoding="utf-8")
    assert input_hashes(book, market, policy)["table events"] != one


def test_maintenance_above_initial_is_refused(tmp_path: Path) -> None:
    rules = (
        '[margin]\ntype = "tiers"\n[margin.initial]\n"*" = [[0, 0.05], [1000, 0.2]]\n[margin.maintenance]\nBTC = [[0, {}]]\n'
    )
    path = tmp_path / "mine.toml"
    path.write_text(rules.format(0.04), encoding="utf-8")
    assert margin_model(f"table:{path}", "x").name
    path.write_text(rules.format(0.06), encoding="utf-8")
    with pytest.raises(ho.InputError, match="maintenance of BTC is above initial margin at 1 USD"):
        margin_model(f"table:{path}", "x")


def test_short_options_one_by_one(tmp_path: Path) -> None:
    """Bybit's cross margin as its help page works it out: S 20,250, strike 18,500, mark 290 (order at 280)."""
    import numpy as np

    from hedgeopt.models.margin.state import State
    from hedgeopt.models.pricing.families import natures

    right = "{ initial_out = 0.15, initial_floor = 0.1, maintenance = 0.03, maintenance_mark = 0.03, fee = 0.002 }"
    text = '[margin]\ntype = "short_option"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n'
    (tmp_path / "b.toml").write_text(text + f"[margin.option]\ncall = {right}\nput = {right}\n", encoding="utf-8")
    one, no = np.ones(1), np.zeros(1, bool)
    index, strike, mark = 20_250.0 * one, 18_500.0 * one, 290.0 * one
    names = ("bybit", "main", ("p",), (natures()["option"],), ("BTC",), ("USDC",))
    state = State(*names, no, index, one, mark, mark, index, strike, 0.1 * one, 0.5 * one, no, one, ("USDC",), one)
    need = margin_model(f"table:{tmp_path / 'b.toml'}", "bybit").requirement(state, -one, np.zeros(1))
    assert (need.initial, need.maintenance) == pytest.approx((2_315.0, 938.0))
