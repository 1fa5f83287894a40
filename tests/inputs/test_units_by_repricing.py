"""Columns in another unit are found by repricing, and right chains never are: priced here by scipy, not by hedgeopt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hedgeopt.cli import main
from hedgeopt.errors import InputError
from hedgeopt.inputs.chain.quote_checks import check_funding
from hedgeopt.inputs.chain.reader import read_market
from hedgeopt.inputs.chain.repricing import OptionRows, disagree
from hedgeopt.inputs.chain.units import refuse_wrong_units
from hedgeopt.models.pricing.perpetual import Perpetual

NOW = pd.Timestamp("2026-03-02 08:00", tz="UTC")
EXPIRIES = (pd.Timestamp("2026-03-27 08:00", tz="UTC"), pd.Timestamp("2026-06-26 08:00", tz="UTC"))


def black(forward: Any, strike: Any, years: Any, vol: Any, call: Any) -> Any:
    """Black (1976), undiscounted, in the unit of the forward."""
    side = np.where(call, 1.0, -1.0)
    deviation = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    return side * (forward * norm.cdf(side * d1) - strike * norm.cdf(side * (d1 - deviation)))


def chain(
    coin: str = "BTC",
    settlement: str = "BTC",
    index: float = 80_000.0,
    ratios: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1, 1.25),
    expiries: tuple[pd.Timestamp, ...] = EXPIRIES,
    vol: float = 0.6,
    sides: str = "CP",
) -> pd.DataFrame:
    rows = []
    for expiry in expiries:
        years = (expiry - NOW).total_seconds() / (365 * 86_400)
        forward = index * np.exp(0.05 * years)
        for ratio in ratios:
            strike = float(round(index * ratio))
            for side in sides:
                mark = float(black(forward, strike, years, vol, side == "C")) / (forward if settlement == coin else 1.0)
                half = 0.01 * mark + 1e-5
                rows.append(
                    {
                        "timestamp": NOW,
                        "currency": coin,
                        "instrument_name": f"{coin if settlement == coin else f'{coin}_{settlement}'}-"
                        f"{expiry.day}{expiry:%b%y}-{strike:.0f}-{side}".upper(),
                        "option_type": "call" if side == "C" else "put",
                        "strike": strike,
                        "expiry": expiry,
                        "bid_price": mark - half if mark > half else np.nan,
                        "ask_price": mark + half,
                        "mark_price": mark,
                        "mark_iv": vol,
                        "underlying_price": forward,
                        "index_price": index,
                        "open_interest": 100.0,
                    }
                )
    return pd.DataFrame(rows)


PRICES = ["bid_price", "ask_price", "mark_price"]


def scaled(frame: pd.DataFrame, columns: list[str], factor: Any, rows: Any = slice(None)) -> pd.DataFrame:
    out = frame.copy()
    for column in columns:
        out.loc[rows, column] = out.loc[rows, column] * (factor if np.isscalar(factor) else np.asarray(factor)[rows])
    return out


def renamed(frame: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Strikes in other units, in column and name alike."""
    out = frame.assign(strike=frame["strike"] * factor)
    text = [f"{strike:g}".replace(".", "d") for strike in out["strike"]]
    names = frame["instrument_name"].str.rsplit("-", n=2, expand=True)
    out["instrument_name"] = names[0] + "-" + pd.Series(text, index=out.index) + "-" + names[2]
    return out


def read(frame: pd.DataFrame, folder: Path, **options: Any) -> Any:
    path = folder / "chain.csv"
    frame.to_csv(path, index=False)
    return read_market(path, **options)


def refused(frame: pd.DataFrame, folder: Path, *words: str, **options: Any) -> None:
    with pytest.raises(InputError) as caught:
        read(frame, folder, **options)
    said = str(caught.value)
    assert "chain.csv" in said
    assert "\n" not in said
    for word in words:
        assert word in said, said


SIZES = {"one option": ((1.05,), EXPIRIES[:1], "C"), "three": ((0.95, 1.0, 1.05), EXPIRIES[:1], "P"), "twenty": None}


def sized(size: str, **options: Any) -> pd.DataFrame:
    if SIZES[size] is None:
        return chain(**options)
    ratios, expiries, sides = SIZES[size]  # type: ignore[misc]
    return chain(ratios=ratios, expiries=expiries, sides=sides, **options)


@pytest.mark.parametrize("size", list(SIZES))
def test_columns_in_other_units_are_refused_with_factor_and_fix(size: str, tmp_path: Path) -> None:
    coin, dollar = sized(size), sized(size, settlement="USDC")
    assert read(coin, tmp_path).notes == ()
    assert read(dollar, tmp_path).doubtful == {}
    for frame in (coin, dollar):
        refused(scaled(frame, ["mark_iv"], 100.0), tmp_path, "mark_iv", "is 100 ×", "divide it by 100")
        refused(scaled(frame, ["mark_iv"], 0.01), tmp_path, "mark_iv", "is 1/100 ×", "multiply it by 100")
        refused(scaled(frame, PRICES, 1e-3), tmp_path, "mark_price", "is 1/1000 ×")
        refused(renamed(frame, 1e-3), tmp_path, "strike", "is 1/1000 ×")
        refused(scaled(frame, ["underlying_price"], 2_500 / 80_000), tmp_path, "underlying_price", "0.0", "index of BTC")
        refused(scaled(frame, ["index_price"], 2_500 / 80_000), tmp_path, "index_price", "marks agree")
    refused(scaled(coin, PRICES, coin["underlying_price"]), tmp_path, "mark_price", "is forward ×", "quoted in coins")
    refused(scaled(coin, PRICES, coin["index_price"]), tmp_path, "mark_price", "quoted in coins")
    refused(scaled(dollar, PRICES, 1 / dollar["underlying_price"]), tmp_path, "mark_price", "is 1/forward ×", "in dollars")
    refused(scaled(dollar, ["ask_price"], 1 / dollar["underlying_price"]).assign(bid_price=np.nan), tmp_path, "ask_price")


def test_blind_chains_are_judged_by_bounds_and_likely_vols(tmp_path: Path) -> None:
    for size in SIZES:
        coin = sized(size).assign(mark_iv=np.nan)
        dollar = sized(size, settlement="USDC").assign(mark_iv=np.nan)
        read(coin, tmp_path, invert_marks=True)
        read(dollar, tmp_path, invert_marks=True)
        refused(scaled(coin, PRICES, coin["underlying_price"]), tmp_path, "mark_price", "forward", invert_marks=True)
        lost = scaled(dollar, PRICES, 1 / dollar["underlying_price"])
        refused(lost, tmp_path, "mark_price", "1/forward", invert_marks=True)


def test_only_one_coin_settlement_or_expiry_is_wrong(tmp_path: Path) -> None:
    eth = chain(coin="ETH", settlement="ETH", index=2_500.0)
    linear = chain(settlement="USDC")
    right = pd.concat([chain(), eth, linear], ignore_index=True)
    assert read(right, tmp_path).doubtful == {}
    for mine, words in (
        (right["currency"] == "ETH", "ETH options settled in ETH"),
        (right["instrument_name"].str.startswith("BTC_USDC"), "BTC options settled in USDC"),
        ((right["currency"] == "BTC") & (right["expiry"] == EXPIRIES[1]), "BTC options settled in"),
    ):
        refused(scaled(right, ["mark_iv"], 100.0, mine), tmp_path, "mark_iv", "is 100 ×", words)
    other = scaled(right, ["underlying_price"], 2_500 / 80_000, right["currency"] == "BTC")
    refused(other, tmp_path, "underlying_price", "looks like ETH's")


def test_a_steady_factor_without_a_name_is_refused_too(tmp_path: Path) -> None:
    refused(scaled(chain(), PRICES, 0.5), tmp_path, "mark_price", "is 0.5 ×")
    rng = np.random.default_rng(3)
    nonsense = chain().assign(mark_iv=rng.permutation(np.linspace(1.2, 3.0, 20)))
    refused(nonsense, tmp_path, "mark_price, mark_iv and underlying_price disagree")


PARTS: dict[str, Any] = {
    "every third row": lambda frame: frame.index % 3 == 0,
    "every second row": lambda frame: frame.index % 2 == 0,
    "calls": lambda frame: frame["option_type"] == "call",
    "three rows": lambda frame: frame.index.isin([3, 8, 15]),
}


@pytest.mark.parametrize("part", list(PARTS))
@pytest.mark.parametrize("settlement", ["BTC", "USDC"])
def test_part_of_a_column_in_another_unit_is_refused(part: str, settlement: str, tmp_path: Path) -> None:
    """Such rows were called single and valued by their marks: a coin option at 3,000 coins."""
    frame = chain(settlement=settlement)
    rows = PARTS[part](frame)
    refused(scaled(frame, ["mark_iv"], 100.0, rows), tmp_path, "mark_iv", "is 100 ×")
    factor = frame["underlying_price"] if settlement == "BTC" else 1.0 / frame["underlying_price"]
    word = "is forward ×" if settlement == "BTC" else "is 1/forward ×"
    refused(scaled(frame, PRICES, factor, rows), tmp_path, "mark_price", word)
    refused(scaled(frame, PRICES, 1_000.0, rows), tmp_path, "mark_price", "is 1000 ×")
    if rows.sum() >= 5:
        refused(scaled(frame, PRICES, 1.0 / 80_000.0**2, rows), tmp_path, "mark_price", "divide the column by")


@pytest.mark.parametrize("size", [3, 4])
def test_a_few_rows_with_one_factor_are_a_column(size: int, tmp_path: Path) -> None:
    frame = chain(expiries=EXPIRIES[:1]).iloc[4 : 4 + size].reset_index(drop=True)
    assert read(frame, tmp_path).doubtful == {}
    refused(scaled(frame, PRICES, 0.5), tmp_path, "mark_price", "is 0.5 ×")


@pytest.mark.parametrize(("settlement", "factor"), [("BTC", 80_000.0), ("BTC", 1_000.0), ("USDC", 80_000.0)])
@pytest.mark.parametrize("row", [8, 9])
def test_no_book_is_valued_by_a_mark_that_cannot_be(settlement: str, factor: float, row: int, tmp_path: Path) -> None:
    """One row alone may be wrong, and is valued by its mark; but no call is worth more than its coin."""
    frame = chain(settlement=settlement)
    one = frame.index == row
    kind = frame["option_type"][row]
    words = ["mark_price", frame["instrument_name"][row], f"more than such a {kind} can be worth"]
    refused(scaled(frame, PRICES, factor, one), tmp_path, *words)
    blind = scaled(frame, PRICES, factor, one).assign(mark_iv=np.nan)
    refused(blind, tmp_path, *words, invert_marks=True)


def test_rows_of_a_coin_have_one_index(tmp_path: Path) -> None:
    """The median stood for it: with two rows 5.5 times the index."""
    frame = chain()
    for size in (2, 3, 20):
        few = frame.iloc[:size].reset_index(drop=True)
        refused(scaled(few, ["index_price"], 10.0, few.index == 1), tmp_path, "index_price", "of BTC", "10 × apart")
        assert read(scaled(few, ["index_price"], 1.01, few.index == 1), tmp_path).doubtful == {}


def test_an_index_that_lies_away_from_forwards_and_marks_is_questioned(tmp_path: Path) -> None:
    assert read(chain(), tmp_path).notes == ()
    for factor, said in ((1.08, "-7."), (0.93, "+7.")):
        (note,) = read(scaled(chain(), ["index_price"], factor), tmp_path).notes
        assert note.startswith("forwards of BTC to 2026-03-27 lie " + said)
    both = perpetual(mark_price=83_200.0, bid_price=83_190.0, ask_price=83_210.0)
    assert any("mark of BTC-PERPETUAL lies +4.0% from the index" in note for note in read(both, tmp_path).notes)


def test_interest_of_a_venues_feed_is_a_decimal(tmp_path: Path) -> None:
    """Derive's margin discounts by it: in per cent, what is owed was worth nothing."""
    frame = chain(settlement="USDC")
    for rate in (5.0, 6.02, -6.0):
        refused(
            frame.assign(interest_rate=rate), tmp_path, "interest_rate", f"is {rate:.0%} a year", "divide per cent by 100"
        )
    assert any("interest_rate" in note for note in read(frame.assign(interest_rate=0.5), tmp_path).notes)
    assert not read(frame.assign(interest_rate=0.05), tmp_path).notes


@pytest.mark.parametrize(("venue", "most"), [("deribit", 0.005), ("hyperliquid", 0.32), ("dydx", 0.6), ("elsewhere", 0.04)])
def test_funding_is_held_to_the_venues_own_formula(venue: str, most: float) -> None:
    item = Perpetual(name="BTC-PERPETUAL", venue=venue, underlying="BTC", settlement="USDC")
    (note,) = check_funding([item], np.array([0.99 * most]), "market.csv")
    assert "is it a decimal per 8 hours?" in note
    with pytest.raises(InputError, match=f"above the {most:.2%}") as caught:
        check_funding([item], np.array([1.01 * most]), "market.csv")
    assert ("may charge" in str(caught.value)) == (venue != "elsewhere")


def test_a_single_row_is_valued_by_its_mark_and_no_hedge(tmp_path: Path) -> None:
    frame = chain()
    name = frame["instrument_name"][6]
    frame.loc[6, "mark_iv"] = 60.0
    market = read(frame, tmp_path)
    assert list(market.doubtful) == [f"deribit:{name}"]
    assert name in market.notes[0]
    assert market.quote("mark_iv", f"deribit:{name}") == pytest.approx(0.6, rel=1e-6)
    frame.loc[6, "mark_iv"] = 0.6
    frame.loc[6, "underlying_price"] *= 1.2
    market = read(frame, tmp_path)
    assert list(market.doubtful) == [f"deribit:{name}"]
    assert market.quote("underlying_price", f"deribit:{name}") == frame["underlying_price"][0]


def test_quotes_beyond_the_mark_are_no_hedges(tmp_path: Path) -> None:
    frame = chain()
    names = [f"deribit:{name}" for name in frame["instrument_name"]]
    frame.loc[4, ["bid_price", "ask_price"]] = frame.loc[4, "mark_price"] * np.array([0.5, 0.6])
    frame.loc[5, ["bid_price", "ask_price"]] = frame.loc[5, "mark_price"] * np.array([1.5, 1.6])
    frame.loc[6, "bid_price"] = frame.loc[6, "ask_price"]
    market = read(frame, tmp_path)
    assert list(market.doubtful) == [names[4], names[5], names[6]]
    assert market.notes[0].startswith("2 instruments are not offered as hedges: quoted beyond their mark")
    assert "bid at the ask" in market.notes[1]


def perpetual(**columns: float) -> pd.DataFrame:
    row = {"timestamp": NOW, "currency": "BTC", "instrument_name": "BTC-PERPETUAL", "mark_price": 80_010.0}
    row |= {"bid_price": 80_005.0, "ask_price": 80_015.0, "index_price": 80_000.0, "funding_8h": 1e-4, **columns}
    return pd.concat([chain(), pd.DataFrame([row])], ignore_index=True)


def test_perpetuals_index_and_funding(tmp_path: Path) -> None:
    assert read(perpetual(), tmp_path).notes == ()
    refused(perpetual(mark_price=2_500.0), tmp_path, "mark_price", "BTC-PERPETUAL", "0.03125 × the index")
    for wrong in (0.01, 0.1095, -1.0):
        refused(perpetual(funding_8h=wrong), tmp_path, "funding_8h", "a year", "decimal per 8 hours")
    (note,) = read(perpetual(funding_8h=0.0045), tmp_path).notes
    assert "0.45% per 8 hours (493% a year)" in note
    market = read(perpetual(ask_price=70_000.0, bid_price=69_990.0), tmp_path)
    assert list(market.doubtful) == ["deribit:BTC-PERPETUAL"]


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaled(chain(), ["mark_iv"], 100.0).to_csv(tmp_path / "chain.csv", index=False)
    (tmp_path / "book.json").write_text('{"accounts": [{"name": "a", "venue": "deribit", "positions": []}]}')
    assert main(["risk", f"--book={tmp_path / 'book.json'}", f"--market={tmp_path / 'chain.csv'}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "mark_iv: is 100 × what the marks imply" in captured.err


WRONG = {
    "iv per cent": lambda r: r.having(vol=100.0 * r.vol),
    "iv a hundredth": lambda r: r.having(vol=r.vol / 100.0),
    "premium in the other currency": lambda r: r.having(mark=r.mark * np.where(r.inverse, r.forward, 1.0 / r.forward)),
    "premium by the index": lambda r: r.having(mark=r.mark * np.where(r.inverse, r.index, 1.0 / r.index)),
    "premium by thousands": lambda r: r.having(mark=r.mark * 1_000.0),
    "another coin's forward": lambda r: r.having(forward=r.forward * 0.03),
    "strikes in thousands": lambda r: r.having(strike=r.strike / 1_000.0),
}


@st.composite
def random_rows(draw: st.DrawFn) -> OptionRows:
    """Chains with smiles, any coin price, coin or dollar settled, of 1 to 30 options that have some time value."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, index = draw(st.integers(1, 30)), 10.0 ** draw(st.floats(1.0, 5.0))
    inverse = draw(st.booleans())
    years = rng.choice(np.array([2.0, 9.0, 30.0, 90.0, 270.0]) / 365.0, n)
    forward = index * np.exp(0.06 * years)
    level = draw(st.floats(0.25, 1.5))
    z = rng.uniform(-1.0, 1.0, n)
    strike = forward * np.exp(z * level * np.sqrt(years))
    vol = level * (1.0 + 0.1 * z**2)
    call = rng.random(n) < 0.5
    mark = black(forward, strike, years, vol, call) / np.where(inverse, forward, 1.0)
    mark = mark * (1.0 + 0.01 * rng.normal(size=n))
    names = np.array([f"option {i}" for i in range(n)], dtype=object)
    both, full = np.full(n, "BTC", dtype=object), np.full(n, "BTC" if inverse else "USDC", dtype=object)
    nobody, flags = np.full(n, np.nan), np.full(n, inverse)
    whole = np.round(years * 3.1536e7).astype(np.int64)
    return OptionRows(
        names,
        np.full(n, "deribit", dtype=object),
        both,
        full,
        flags,
        call,
        whole,
        years,
        strike,
        mark,
        vol,
        forward,
        np.full(n, index),
        nobody,
        nobody,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rows=random_rows())
def test_any_right_chain_passes_and_any_wrong_unit_does_not(rows: OptionRows) -> None:
    refuse_wrong_units(rows, "chain")
    refuse_wrong_units(rows.having(vol=np.full(len(rows), np.nan)), "chain")
    for spoil in WRONG.values():
        with pytest.raises(InputError, match="chain"):
            refuse_wrong_units(spoil(rows), "chain")


def recorded(frame: pd.DataFrame) -> OptionRows:
    """Rows of a recorded chain; index as the median of the coin."""
    expiry, stamp = (pd.to_datetime(frame[name], utc=True) for name in ("expiry", "timestamp"))
    coin = frame["currency"].astype(object).to_numpy()
    index = frame.groupby("currency", observed=True)["index_price"].transform("median").to_numpy(float)
    number = {name: frame[name].to_numpy(float) for name in ("strike", "mark_price", "mark_iv", "underlying_price")}
    quotes = (frame[name].to_numpy(float) for name in ("bid_price", "ask_price"))
    seconds = (expiry - stamp).dt.total_seconds().to_numpy(float)
    return OptionRows(
        frame["instrument_name"].astype(object).to_numpy(),
        np.full(len(frame), "deribit", dtype=object),
        coin,
        coin,
        np.ones(len(frame), bool),
        (frame["option_type"].astype(str) == "call").to_numpy(),
        seconds.round().astype(np.int64),
        seconds / (365 * 86_400),
        number["strike"],
        number["mark_price"],
        number["mark_iv"],
        number["underlying_price"],
        index,
        *quotes,
    )


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    [
        "snapshot_calm_20260115.csv",
        "snapshot_crash_20260205.csv",
        "daily_allstrikes_dev_20251230_20260531.parquet",
        "6h_liquid_dev_20251230_20260531.parquet",
    ],
)
def test_no_recorded_snapshot_is_refused_and_no_row_doubted(shared_data: Path, name: str) -> None:
    from hedgeopt.inputs.chain.quote_checks import outside, refuse_quotes_in_other_units

    path = shared_data / "deribit-chains" / name
    frame = pd.read_csv(path) if name.endswith(".csv") else pd.read_parquet(path)
    for _, group in frame.groupby("timestamp", observed=True):
        rows = recorded(group)
        refuse_wrong_units(rows, name)
        refuse_quotes_in_other_units(rows, name)
        assert not disagree(rows.marked, rows.repriced()).any()
        assert not outside(rows.marked, rows.bid, rows.ask).any()


@pytest.mark.realdata
@pytest.mark.parametrize("column", ["mark_iv", "mark_price", "underlying_price", "strike"])
def test_every_recorded_day_with_a_spoilt_column_is_refused(shared_data: Path, column: str) -> None:
    path = shared_data / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"
    frame = pd.read_parquet(path)
    spoilt = {"mark_iv": 100.0, "mark_price": 70_000.0, "underlying_price": 0.03, "strike": 1e-3}[column]
    for _, group in list(frame.groupby("timestamp", observed=True))[::25]:
        with pytest.raises(InputError, match=column):
            refuse_wrong_units(recorded(group.assign(**{column: group[column] * spoilt})), path.name)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("iv-per-cent", "is 100 × what the marks imply"),
        ("dollars-on-a-coin-option", "is forward ×"),
        ("coins-on-a-dollar-option", "is 1/forward ×"),
    ],
)
def test_shared_cases(shared_data: Path, case: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_market(shared_data.parent / "cases" / case / "market.csv")


def test_interest_of_602_per_cent_is_questioned() -> None:
    from hedgeopt.exposures.units import known_carry
    from hedgeopt.models.pricing.family import UnitRisk
    from hedgeopt.models.pricing.lending_borrow import LendingBorrow
    from hedgeopt.models.pricing.lending_supply import LendingSupply

    notes: list[str] = []
    items = [
        LendingSupply(name="wrong", venue="aave", asset="USDC", rate=6.02),
        LendingBorrow(name="high", venue="aave", asset="USDC", rate=0.95),
    ]
    known_carry(items, UnitRisk.zeros(2, 1), notes)
    assert notes == ["rate of wrong is 602% a year: is it in per cent? 0.0602 would be 6.02 %"]
