"""Bad histories are refused by name; good ones are cut, filtered and sampled as stated."""

import numpy as np
import pandas as pd
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.historical import choose_windows, ewma_vol
from hedgeopt.models.scenarios.history import cut_windows, read_prices
from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    times = pd.date_range("2024-01-01", periods=400, freq="D", tz="UTC")
    common = rng.standard_normal(400)
    return pd.DataFrame(
        {
            "date": times.astype(str),
            "BTC": 50_000 * np.exp(0.03 * np.cumsum(common)),
            "ETH": 3_000 * np.exp(0.04 * np.cumsum(0.8 * common + 0.6 * rng.standard_normal(400))),
        }
    )


def save(frame, tmp_path):
    path = tmp_path / "prices.csv"
    frame.to_csv(path, index=False)
    return str(path)


def sample(frame, tmp_path, market, **data):
    return draw(HistoricalScenarios(prices=save(frame, tmp_path), **data), ["BTC", "ETH"], market)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f.iloc[:5], f.iloc[4:]]), r"BTC has the same time twice \(got '2024-01-05"),
        (lambda f: f.iloc[[1, 0, *range(2, 400)]], r"BTC has times out of order \(got '2024-01-01"),
        (lambda f: f.drop(index=range(100, 110)), "1 gap or uneven step, the first from 2024-04-09.* to 2024-04-20"),
        (lambda f: f.assign(ETH=f["ETH"].where(f.index != 7, 0.0)), r"price of ETH at 2024-01-08.* not a positive number"),
        (lambda f: f.assign(ETH=f["ETH"].where(f.index != 7, -1.0)), "price of ETH at 2024-01-08.* not a positive"),
        (lambda f: f.assign(ETH=f["ETH"].where(f.index != 7)), "price of ETH at 2024-01-08.* not a positive"),
        (lambda f: f.iloc[:20], "20 rows gives 19 moves over the horizon, 30 are needed"),
        (lambda f: f.iloc[:1], "has 1 row, too short"),
        (lambda f: f.drop(columns="ETH"), "holds no prices of ETH"),
        (lambda f: f.drop(columns="date"), "no time column"),
        (lambda f: f.assign(date=["soon", *f["date"][1:]]), r"a time cannot be read \(got 'soon'\)"),
    ],
)
def test_bad_history_is_named_and_refused(frame, tmp_path, market, change, message):
    with pytest.raises(InputError, match=message):
        sample(change(frame), tmp_path, market)


def test_horizon_must_be_made_of_steps(frame, tmp_path, market):
    with pytest.raises(InputError, match="not a whole number of the history's steps"):
        sample(frame, tmp_path, market, horizon_days=0.5)
    with pytest.raises(InputError, match="price history file not found"):
        draw(HistoricalScenarios(prices="nowhere.csv"), ["BTC"], market)


def test_gaps_may_be_skipped_and_no_window_crosses_one(frame, tmp_path):
    prices = read_prices(save(frame.drop(index=range(100, 110)), tmp_path), ["BTC", "ETH"])
    windows = cut_windows(prices, 5, gaps="skip")
    assert len(windows.start) == (100 - 5) + (290 - 5)
    ends = windows.start + windows.lag
    span = prices.index[ends] - prices.index[windows.start]
    assert set(span) == {pd.Timedelta(days=5)}
    np.testing.assert_allclose(
        windows.log_return, np.log(prices.to_numpy()[ends] / prices.to_numpy()[windows.start]), atol=1e-12
    )


def test_every_window_is_used_before_any_repeats(frame, tmp_path, market):
    s = sample(frame, tmp_path, market, count=399, scale_to_market=False)
    r = np.log(frame[["BTC", "ETH"]].to_numpy())
    r = r[1:] - r[:-1]
    np.testing.assert_allclose(np.log(s.spot_factor), r - r.mean(axis=0), atol=1e-12)
    few = choose_windows(3, "exhaustive", 399, 100, 1)[:, 0]
    assert len(set(few)) == 100
    more = np.bincount(choose_windows(3, "exhaustive", 399, 1000, 1)[:, 0])
    assert set(more) == {2, 3}
    assert (choose_windows(3, "exhaustive", 399, 100, 1) == choose_windows(3, "exhaustive", 399, 100, 1)).all()


def test_sample_keeps_correlation_and_takes_the_market_vol(frame, tmp_path, market):
    r = np.diff(np.log(frame[["BTC", "ETH"]].to_numpy()), axis=0)
    s = sample(frame, tmp_path, market, count=399 * 4)
    np.testing.assert_allclose(np.log(s.spot_factor).std(axis=0) * np.sqrt(365), [0.6, 0.8])
    assert np.corrcoef(np.log(s.spot_factor).T)[0, 1] == pytest.approx(np.corrcoef(r.T)[0, 1])


def test_blocks_add_up_to_the_horizon(frame, tmp_path, market):
    s = sample(frame, tmp_path, market, sampling="block", block_days=2, horizon_days=30, count=20_000, scale_to_market=False)
    logs = np.log(frame[["BTC", "ETH"]].to_numpy())
    block = logs[2:] - logs[:-2]
    np.testing.assert_allclose(np.log(s.spot_factor).std(axis=0), block.std(axis=0) * np.sqrt(15), rtol=0.03)
    with pytest.raises(ValueError, match="whole number of block_days"):
        HistoricalScenarios(prices="x", sampling="block", block_days=7, horizon_days=30)
    with pytest.raises(ValueError, match="goes with sampling"):
        HistoricalScenarios(prices="x", block_days=2)


def test_filtering_undoes_a_change_of_vol(tmp_path, market):
    """Half the history calm, half four times as wild: filtered moves are as wild as now everywhere."""
    rng = np.random.default_rng(5)
    steps = rng.standard_normal(1200) * np.where(np.arange(1200) < 600, 0.01, 0.04)
    frame = pd.DataFrame(
        {"date": pd.date_range("2020-01-01", periods=1201).astype(str), "BTC": 100 * np.exp(np.r_[0, np.cumsum(steps)])}
    )
    path = save(frame, tmp_path)
    every = {"prices": path, "count": 1171, "scale_to_market": False, "halflife_days": 15}
    plain = np.log(draw(HistoricalScenarios(**every | {"count": 1200}), ["BTC"], market).spot_factor[:, 0])
    filtered = np.log(draw(HistoricalScenarios(**every, filtered=True), ["BTC"], market).spot_factor[:, 0])
    assert plain[:550].std() < 0.3 * plain[650:].std()
    assert filtered[:520].std() == pytest.approx(filtered[650:].std(), rel=0.15)
    assert filtered.std() == pytest.approx(0.04, rel=0.35)


def test_ewma_vol_uses_the_past_only(frame, tmp_path):
    prices = read_prices(save(frame, tmp_path), ["BTC", "ETH"])
    windows = cut_windows(prices, 1)
    vol, _ = ewma_vol(prices, windows, 11.0)
    assert np.isnan(vol[:30]).all()
    changed = prices.copy()
    changed.iloc[301:] *= 2.0
    other, _ = ewma_vol(changed, cut_windows(changed, 1), 11.0)
    np.testing.assert_array_equal(vol[30:301], other[30:301])
    assert (other[301] > vol[301]).all()


def test_vol_and_funding_histories_join_the_windows(frame, tmp_path, market):
    vols, funding = tmp_path / "vol.csv", tmp_path / "funding.csv"
    level = 60 + np.arange(400) % 7
    pd.DataFrame({"date": frame["date"], "dvol": level}).drop(index=200).to_csv(vols, index=False)
    rate = 1e-4 * (np.arange(400) % 3)
    pd.DataFrame({"date": frame["date"], "rate": rate}).to_csv(funding, index=False)
    s = sample(frame, tmp_path, market, count=397, vols={"BTC": str(vols)}, funding={"ETH": str(funding)})
    assert "397 draws of 397 moves" in s.name  # two windows touch the missing vol
    keep = np.r_[0:199, 201:399]
    np.testing.assert_allclose(s.log_vol_shift[:, 0], np.log(level[keep + 1] / level[keep]))
    np.testing.assert_allclose(s.funding[:, 1], 3 * (rate[keep] - rate.mean()), atol=1e-15)
    assert (s.funding[:, 0] == 0).all()
    with pytest.raises(InputError, match="SOL"):
        sample(frame, tmp_path, market, vols={"SOL": str(vols)})


@pytest.mark.realdata
@pytest.mark.parametrize(("horizon", "windows"), [(1 / 24, 26_280), (1.0, 26_257), (30.0, 25_561)])
def test_hourly_history_from_an_hour_to_a_month(shared_data, market, horizon, windows):
    path = shared_data / "prices-hourly" / "btc_eth_hourly_20220213_20250212.parquet"
    settings = HistoricalScenarios(prices=str(path), count=windows, horizon_days=horizon, scale_to_market=False)
    s = draw(settings, ["BTC", "ETH"], market)
    assert f"of {windows:,} moves" in s.name
    assert np.corrcoef(np.log(s.spot_factor).T)[0, 1] > 0.75


@pytest.mark.realdata
def test_daily_history_holds_the_crash_of_march_2020(shared_data, market):
    path = shared_data / "prices-daily" / "coinbase_daily_btc_eth_20200101_20250930.csv"
    s = draw(HistoricalScenarios(prices=str(path), count=2_099, scale_to_market=False), ["BTC", "ETH"], market)
    worst = s.spot_factor[np.argmin(s.spot_factor[:, 0])]
    np.testing.assert_allclose(worst, [0.61, 0.56], atol=0.02)  # both fell together, by 39 % and 44 % close to close
    skew = ((np.log(s.spot_factor)) ** 3).mean(axis=0)
    assert (skew < 0).all()
