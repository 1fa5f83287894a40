"""A venue that nobody wrote code for: the table of docs/extend.md in a folder of the user's, from names to reports."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.backtest.runner import run_config
from hedgeopt.backtest.sweep.content import cell_key
from hedgeopt.cli import main
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.caveats import table_caveats
from hedgeopt.models.data import names, venues, where
from hedgeopt.venues.forms import Forms
from hedgeopt.venues.known import increments, parser

START, SOON, LATE = (datetime(2026, 3, day, 8, tzinfo=UTC) for day in (2, 4, 27))
VOL, HALF = 0.6, 0.5
PATH = (2_000.0, 2_060.0, 2_100.0, 2_300.0)
"""The index at 08:00 of 2 to 5 March; options of the 4th end in between."""


@pytest.fixture
def nova(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example of the docs, word for word, where a user would put it."""
    page = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(# .*?nova.*?)```", page, re.DOTALL)
    folder = tmp_path / "venues"
    folder.mkdir()
    (folder / "nova.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(folder))
    return folder / "nova.toml"


def black(forward: float, strike: float, years: float, right: str) -> float:
    sign = 1.0 if right == "C" else -1.0
    deviation = VOL * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    return float(sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - deviation))))


def chain(moment: datetime, index: float) -> pd.DataFrame:
    """Rows of one snapshot as the venue would record them: names of its own, premiums in dollars."""
    base = {"timestamp": pd.Timestamp(moment), "currency": "ETH", "index_price": index, "open_interest": 1e5}
    rows = []
    for expiry in (SOON, LATE):
        years = (expiry - moment).total_seconds() / (365 * 86_400)
        for strike in (1_800, 1_900, 2_000, 2_100, 2_200) if years > 0 else ():
            for right in "CP":
                mark = black(index, strike, years, right)
                quotes = {"bid_price": mark - HALF if mark > 2 * HALF else np.nan, "ask_price": mark + HALF}
                option = {"option_type": "call" if right == "C" else "put", "strike": float(strike), "expiry": expiry}
                rows.append(
                    base
                    | quotes
                    | option
                    | {"instrument_name": f"ETH-{expiry:%Y%m%d}-{strike}-{right}", "mark_price": mark, "mark_iv": VOL}
                    | {"underlying_price": index}
                )
    quotes = {"bid_price": index - HALF, "ask_price": index + HALF, "mark_price": index}
    return pd.DataFrame([*rows, base | quotes | {"instrument_name": "ETH-PERP"}])


def snapshot(folder: Path) -> Path:
    chain(START, PATH[0]).to_csv(folder / "chain.csv", index=False)
    return folder / "chain.csv"


def book(positions: dict[str, float], usdc: float = 200_000.0) -> ho.Book:
    held = tuple(ho.Position(instrument=name, quantity=amount) for name, amount in positions.items())
    cash = (ho.Collateral(asset="USDC", amount=usdc),)
    return ho.Book(accounts=(ho.Account(name="main", venue="nova", collateral=cash, positions=held),))


def policy() -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.CVaR(0.95),
        subject_to=[ho.MarginUtilisation(limit=0.8), ho.Delta("ETH").within(-2, 2)],
        candidates=Candidates(min_days=0.0),
        scenarios=ho.ParametricScenarios(count=200, vol={"ETH": VOL}),
        lots="ideal",
    )


def test_it_is_known_by_its_file(nova: Path):
    assert "nova" in names()
    assert "nova" in venues()
    assert where("nova") == str(nova)
    item = parser("nova")("ETH-20260327-2000-P")
    assert (item.kind, item.strike, item.right, item.settlement, item.expiry) == ("option", 2_000.0, "put", "USDC", LATE)
    assert increments(item)[:3] == (0.1, 0.1, 0.1)
    assert increments(parser("nova")("ETH-PERP"))[:3] == (0.01, 0.05, 0.01)
    assert np.isnan(increments(parser("nova")("BTC-PERP"))).all()


def test_solve_and_report(nova: Path, tmp_path: Path):
    market = ho.read_market(snapshot(tmp_path), venue="nova")
    assert len(market) == 21
    mine = book({"ETH-20260327-2000-C": -50.0, "ETH-PERP": 10.0})
    e = ho.build_exposures(resolve(mine, market), (), *[_still()] * 2, trades=False)
    # by hand: the perpetual alone loses .2 of 20,000, and 1 % is charged on its notional; times 1.3
    alone = book({"ETH-PERP": 10.0})
    need = ho.build_exposures(resolve(alone, market), (), *[_still()] * 2, trades=False)
    found = need.margins.requirement(0, need.rows.quantity, need.collateral[0])
    assert found.initial == pytest.approx(1.3 * (0.2 + 0.01) * 20_000.0)
    assert found.maintenance == pytest.approx((0.2 + 0.01) * 20_000.0)
    assert e.margins.names == ("nova",)
    proposal = ho.propose(mine, market, policy())
    assert proposal.certificate.valid
    assert len(proposal.trades)
    perpetual = proposal.trades[proposal.trades["instrument"] == "ETH-PERP"]
    if len(perpetual):  # taker fee of the table, on the notional
        assert perpetual["fee"].iloc[0] == pytest.approx(0.0004 * abs(perpetual["quantity"].iloc[0]) * 2_000.0)
    assert "nova" in proposal.to_html()
    assert ho.risk_report(e).positions


def _still() -> ho.ScenarioSet:
    from hedgeopt.models.scenarios.set import unmoved

    return unmoved(("ETH",))


def test_the_command_takes_it(nova: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "book.json").write_text(book({"ETH-20260327-2000-C": -50.0}).model_dump_json(), encoding="utf-8")
    market = ["--market", str(snapshot(tmp_path)), "--venue", "nova"]
    assert main(["margin", "--book", str(tmp_path / "book.json"), *market, "--json"]) == 0
    assert "nova" in capsys.readouterr().out


def test_a_replay_settles_charges_and_liquidates(nova: Path, tmp_path: Path):
    days = [chain(START + timedelta(days=k), index) for k, index in enumerate(PATH)]
    pd.concat(days).to_parquet(tmp_path / "chain.parquet")
    held = {"ETH-20260304-2000-C": -10.0, "ETH-PERP": 10.0}
    (tmp_path / "calm.json").write_text(book(held).model_dump_json(), encoding="utf-8")
    (tmp_path / "thin.json").write_text(book({"ETH-PERP": -100.0}, usdc=60_000.0).model_dump_json(), encoding="utf-8")
    (tmp_path / "backtest.toml").write_text(
        """
name = "nova"
[replay]
chains = ["chain.parquet"]
venue = "nova"
funding = { ETH = 0.0001 }
[risk.scenarios]
kind = "parametric"
count = 64
[[books]]
kind = "fixed"
name = "calm"
file = "calm.json"
[[books]]
kind = "fixed"
name = "thin"
file = "thin.json"
[[policies]]
kind = "do_nothing"
""",
        encoding="utf-8",
    )
    calm, thin = run_config(tmp_path / "backtest.toml")
    (settled,) = [event for event in calm.events if event["kind"] == "settlement"]
    assert settled["received"] == pytest.approx(-10.0 * 100.0)
    ledger = calm.ledger
    fee = ledger[ledger["memo"] == "delivery ETH-20260304-2000-C"]
    assert abs(fee["amount"]).max() == pytest.approx(10.0 * min(0.00015 * 2_100.0, 0.125 * 100.0))
    paid = ledger[ledger["memo"] == "funding ETH-PERP"]
    assert len(paid) > 0
    assert any(event["kind"] == "liquidation" for event in thin.events)
    assert {"penalties"} <= set(thin.ledger["side"]) if "side" in thin.ledger else True


def test_its_doubts_and_its_age_are_said(nova: Path):
    reads = (("nova", "lots"), ("nova", "fees.perpetual_taker"))
    assert str(nova) in table_caveats(reads, date(2026, 3, 2))[0]
    assert any("past its shelf life" in said for said in table_caveats(reads, date(2028, 1, 1)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[lots.option]", "[lotz.option]", "lotz.*is no section of a venue table"),
        ("perpetual_taker", "perpetual_takr", "perpetual_takr.*is no fee"),
        ("as_of = 2026-03-01", "", "as_of"),
        ('unverified = ["lots"]', 'unverified = ["slots"]', "names nothing here"),
        ('kind = "perpetual"', 'kind = "perpetuel"', "unknown family.*perpetual"),
        ('form = "{base}-PERP"\nsettlement = "USDC"', 'form = "{base}-PERP"', "gives no settlement of a perpetual"),
        ("{strike}-{right}", "{strike}-{side}", "right"),
        ("[lots.option]", "[lots.optoin]", r"lots\.optoin: is no kind.*did you mean 'option'"),
        ("ETH = { lot = 0.01", '"ETH/USDX" = { lot = 0.01', r"lots\.perpetual\.ETH/USDX: names no settlement.*USDC"),
        ("ETH = { lot = 0.01", '"ETH/" = { lot = 0.01', r"lots\.perpetual\.ETH/: names no instruments.*ETH/USDC"),
        ("ETH = { lot = 0.01", "ETH = { lot = -0.01", r"lots\.perpetual\.ETH\.lot: must be a positive number.*-0\.01"),
        (
            "minimum_size = 0.01",
            "minimum_size = 0.001",
            r"lots\.perpetual\.ETH\.minimum_size: is less than a lot",
        ),
        ("largest_8h = 0.0075", "largest_8h = 1.5", r"funding\.largest_8h: must be 1 or less.*1\.5"),
        ("ETH = { lot = 0.01", "ETH = { lots = 0.01", r"lots\.perpetual\.ETH\.lots: is no size.*did you mean 'lot'"),
        (
            "[haircut]",
            "[margin.instrument.perpetul]\n[haircut]",
            r"margin\.instrument\.perpetul: is no margin class.*perpetual",
        ),
        ("moves = [-0.2", "moves = [-2", "moves.*must be greater than -1"),
        (
            "moves = [-0.2, -0.1, 0, 0.1, 0.2]",
            "moves = [-0.2, -0.1]",
            r"moves: hold none that goes up.*found \[-0\.2, -0\.1\].*give",
        ),
        ("moves = [-0.2, -0.1, 0, 0.1, 0.2]", "moves = [0, 0.1]", "moves: hold none that goes down"),
        ("moves = [-0.2, -0.1, 0, 0.1, 0.2]", "moves = [-0.2, 0.2]", r"\[margin\].*moves hold no 0.*add 0 to moves"),
        ("vols = [-0.25, 0.0, 0.4]", "vols = [0.0, 0.4]", "vols: hold none that goes down.*give shocks both ways"),
        ("perpetual_taker = 0.0004", "perpetual_taker = 0.04", r"fees\.perpetual_taker: is 4 %.*0\.04.*0\.0004 is 0\.04 %"),
        ("perpetual_taker = 0.0004", "perpetual_taker = 4", r"fees\.perpetual_taker: is 400 %.*fees are shares"),
        ("option_rate = 0.0003", "option_rate = 0.03", r"fees\.option_rate: is 3 %.*fees are shares"),
        ("option_cap = 0.125 ", "option_cap = 12.5 ", r"fees\.option_cap: is 1250 %.*fees are shares"),
        ("option_rate = 0.00015", "option_rate = 0.015", r"delivery\.option_rate: is 1\.5 %.*fees are shares"),
        (
            "[[names]]",
            "[fee_tiers.vip]\nspot_taker = 0.03\n[[names]]",
            r"fee_tiers\.vip\.spot_taker: is 3 %.*fees are shares",
        ),
        ("as_of = 2026-03-01", 'as_of = "20.2.2026"', r"as_of: is not a date.*20\.2\.2026.*as_of = 2026-02-20"),
        ("as_of = 2026-03-01", 'as_of = "2026-02-20"', "as_of: is not a date.*no quotes"),
        ("as_of = 2026-03-01", "as_of = 2026-02-20T08:00:00", "as_of: is not a date.*no time"),
        ("as_of = 2026-03-01", "as_of = 2999-01-01", "as_of: is in the future.*2999"),
        ('type = "grid"', 'type = "tiers"', "unknown field|is missing"),
    ],
)
def test_a_slip_is_one_line_that_names_file_and_field(nova: Path, tmp_path: Path, old: str, new: str, says: str):
    text = nova.read_text(encoding="utf-8")
    assert old in text
    nova.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ho.InputError, match=says) as caught:
        ho.read_market(snapshot(tmp_path), venue="nova")
    assert "nova.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_venue_without_a_table_is_refused_with_those_that_have_one(tmp_path: Path):
    with pytest.raises(ho.InputError, match=r"unknown venue.*deribit") as caught:
        ho.read_market(snapshot(tmp_path), venue="nowhere")
    assert 'write nowhere.toml (hedgeopt schema venue), and name it in the policy (tables = ["nowhere.toml"])' in str(
        caught.value
    )


def test_a_table_of_a_packaged_name_is_refused(nova: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stored = tmp_path / "book.json"
    stored.write_text(book({"ETH-PERP": 1.0}).model_dump_json(), encoding="utf-8")
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "deribit.toml").write_text(nova.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(folder))
    with pytest.raises(ho.InputError, match="there is a table of this name already"):
        venues()
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path / "none"))
    with pytest.raises(ho.InputError, match=r"^HEDGEOPT_TABLES: does not exist"):
        venues()
    with pytest.raises(ho.InputError, match="HEDGEOPT_TABLES: does not exist"):  # from inside of a book's own check
        ho.read_book(stored)


def test_json_of_the_book_needs_no_more(nova: Path):
    assert json.loads(book({}).model_dump_json())["accounts"][0]["venue"] == "nova"


def test_of_two_forms_that_fit_the_more_particular_counts():
    dollars = {"kind": "perpetual", "form": "{base}-PERP", "settlement": "USDC"}
    coins = {"kind": "perpetual", "form": "{base}2-PERP", "settlement": "{base}"}
    anything = {"kind": "spot", "form": "{base}{quote}"}
    reads = Forms("nova", [anything, dollars, coins], "nova.toml")
    assert reads("ETH2-PERP").settlement == "ETH"
    assert reads("ETH-PERP").settlement == "USDC"
    assert reads("ETHUSDC").kind == "spot"


def test_a_stored_backtest_is_made_anew_when_the_table_changes(nova: Path, tmp_path: Path):
    before = cell_key({"name": "x"}, tmp_path)
    assert cell_key({"name": "x"}, tmp_path) == before
    nova.write_text(nova.read_text(encoding="utf-8").replace("0.0004", "0.0005"), encoding="utf-8")
    assert cell_key({"name": "x"}, tmp_path) != before
