"""Book summaries and chains without implied vols."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hedgeopt.errors import InputError
from hedgeopt.inputs.chain.reader import read_market

FORWARD, INDEX, STAMP = 3_010.0, 3_000.0, pd.Timestamp("2026-01-15 12:00", tz="UTC")
EXPIRY = pd.Timestamp("2026-02-27 08:00", tz="UTC")


def coin_price(strike: float, right: str, vol: float) -> float:
    deviation = vol * np.sqrt((EXPIRY - STAMP).total_seconds() / (365 * 86_400))
    side = 1.0 if right == "C" else -1.0
    d1 = np.log(FORWARD / strike) / deviation + 0.5 * deviation
    return side * (norm.cdf(side * d1) - strike / FORWARD * norm.cdf(side * (d1 - deviation)))


def summary(vols: dict[str, float], **columns: object) -> pd.DataFrame:
    rows = []
    for name, vol in vols.items():
        strike, right = name.split("-")[2:]
        mark = coin_price(float(strike), right, vol)
        rows.append({"instrument_name": name, "mark_price": mark, "bid_price": 0.99 * mark, "ask_price": 1.01 * mark})
    shared = {"creation_timestamp": STAMP.value // 10**6, "estimated_delivery_price": INDEX, "underlying_price": FORWARD}
    return pd.DataFrame(rows).assign(**shared, **columns)


VOLS = {"ETH-27FEB26-3000-C": 0.7, "ETH-27FEB26-2400-P": 0.82, "ETH-27FEB26-6000-C": 0.95, "ETH-27FEB26-3000-P": 0.7}


def write(frame: pd.DataFrame, folder: Path) -> Path:
    path = folder / "chain.csv"
    frame.to_csv(path, index=False)
    return path


def test_vols_come_from_marks(tmp_path):
    market = read_market(write(summary(VOLS), tmp_path), invert_marks=True)
    assert market.timestamp == STAMP
    assert market.price("ETH") == INDEX
    for name, vol in VOLS.items():
        assert market.quoted("mark_iv", [f"deribit:{name}"])[0] == pytest.approx(vol, rel=1e-9)
    assert market.notes == ("implied vol of 4 options is taken from their marks",)


def test_without_being_asked_marks_are_not_inverted(tmp_path):
    with pytest.raises(InputError, match=r"column 'mark_iv' is missing.*invert_marks=True"):
        read_market(write(summary(VOLS), tmp_path))


def test_vols_that_stand_there_are_kept_and_are_per_cent(tmp_path):
    given = summary(VOLS, mark_iv=[70.4, np.nan, 95.5, 69.6])
    market = read_market(write(given, tmp_path), invert_marks=True)
    vols = market.quoted("mark_iv", [f"deribit:{name}" for name in VOLS])
    assert vols == pytest.approx([0.704, 0.82, 0.955, 0.696])
    with pytest.raises(InputError, match=r"mark_iv: must be positive for an option in the row of ETH-27FEB26-2400-P"):
        read_market(write(given, tmp_path))


def test_marks_that_imply_no_vol_stay_and_are_named(tmp_path):
    frame = summary(VOLS)
    frame.loc[1, ["mark_price", "bid_price", "ask_price"]] = [0.0, np.nan, 0.0001]
    market = read_market(write(frame, tmp_path), invert_marks=True)
    assert len(market) == 4
    assert market.quote("mark_iv", "deribit:ETH-27FEB26-2400-P") == pytest.approx(0.7, rel=1e-9)  # of the 3000 strike
    assert list(market.doubtful) == ["deribit:ETH-27FEB26-2400-P"]
    assert "marks imply no vol" in market.notes[1]
    assert "ETH-27FEB26-2400-P" in market.notes[1]


def test_a_chain_with_gaps_in_its_vols(tmp_path):
    """The same chain, once with its vols and once with some of them taken out."""
    rows = summary(VOLS)
    chain = pd.DataFrame(
        {
            "timestamp": STAMP,
            "currency": "ETH",
            "instrument_name": rows["instrument_name"],
            "option_type": ["call", "put", "call", "put"],
            "strike": [3000.0, 2400.0, 6000.0, 3000.0],
            "expiry": EXPIRY,
            "bid_price": rows["bid_price"],
            "ask_price": rows["ask_price"],
            "mark_price": rows["mark_price"],
            "mark_iv": [0.7, np.nan, 0.95, np.nan],
            "underlying_price": FORWARD,
            "index_price": INDEX,
        }
    )
    market = read_market(write(chain, tmp_path), invert_marks=True)
    assert market.quoted("mark_iv", [f"deribit:{name}" for name in VOLS]) == pytest.approx(list(VOLS.values()))


def test_prices_of_other_assets(tmp_path):
    path = write(summary(VOLS), tmp_path)
    market = read_market(path, invert_marks=True, prices={"stETH": 2_990.0, "USDC": 0.998})
    assert (market.price("stETH"), market.price("USDC"), market.price("stETH/ETH")) == (2_990.0, 0.998, 1.0)
    with pytest.raises(InputError, match=r"has no price for WBTC; give it, such as read_market\(\.\.\., prices="):
        market.price("WBTC")
    with pytest.raises(InputError, match="is in the file already"):
        read_market(path, invert_marks=True, prices={"ETH": 3_000.0})
    with pytest.raises(InputError, match="price of stETH: must be a positive number"):
        read_market(path, invert_marks=True, prices={"stETH": -1.0})


def test_an_unknown_name_is_refused_by_name(tmp_path):
    frame = summary(VOLS)
    frame.loc[0, "instrument_name"] = "nonsense"
    with pytest.raises(InputError, match="nonsense"):
        read_market(write(frame, tmp_path), invert_marks=True)


@pytest.mark.realdata
def test_the_recorded_chain_of_2024(shared_data: Path):
    """682 of 684 options: marks out of the money are met exactly, those in the money (by their twins' vol) to .6 bp."""
    market = read_market(shared_data / "deribit-eth-chain-20240108" / "eth_options_20240108.csv", invert_marks=True)
    assert len(market) == 684
    assert any("implied vol of 682 options" in note for note in market.notes)
    assert any(note.startswith("2 instruments are not offered as hedges: whose marks imply no vol") for note in market.notes)
    items = [item for key, item in market.instruments.items() if key not in market.doubtful]
    ids = [item.id for item in items]
    vol, forward, mark = (market.quoted(name, ids) for name in ("mark_iv", "underlying_price", "mark_price"))
    years = np.array([item.years_from(market.timestamp) for item in items])
    strike, side = np.array([i.strike for i in items]), np.array([1.0 if i.right == "call" else -1.0 for i in items])
    deviation = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    price = side * (norm.cdf(side * d1) - strike / forward * norm.cdf(side * (d1 - deviation)))
    out = side * (strike - forward) >= 0
    np.testing.assert_allclose(price[out], mark[out], atol=1e-9)
    np.testing.assert_allclose(price[~out], mark[~out], atol=6e-5, rtol=0)
    near = np.abs(np.log(strike / forward)) < 0.1
    assert ((vol[near] > 0.4) & (vol[near] < 1.2)).all()
