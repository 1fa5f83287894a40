"""Fitting the model to chains drawn from it: every number comes back within its error; files go round."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.fit import FittedModel, fit_model
from hedgeopt.models.scenarios.fit_parts import fit_asset
from hedgeopt.models.scenarios.fit_steps import DAYS, DELTAS
from hedgeopt.models.scenarios.noise import strike_size
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import vol_term_weight
from hedgeopt.models.scenarios.surface_moves import surface_moves
from tests.models.scenarios.drawn_chains import TRUTH, drawn_chains


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    return fit_model(drawn_chains(steps=320, seed=3), resamples=60)


def test_slopes_and_noises_come_back_within_their_errors(fitted: FittedModel) -> None:
    found, errors = fitted.settings["by_asset"]["BTC"], fitted.errors["by_asset"]["BTC"]
    for name in ("vol_beta", "vol_beta_up", "vol_of_vol", "skew_beta", "skew_noise", "basis_noise"):
        assert errors[name] > 0.0
        assert found[name] == pytest.approx(TRUTH[name], abs=3.0 * errors[name] + 0.03 * abs(TRUTH[name])), name


def test_noise_of_strikes_and_expiries_comes_back_within_its_error(fitted: FittedModel) -> None:
    found, errors = fitted.settings["noise"]["BTC"], fitted.errors["noise"]["BTC"]
    size = np.array(found["strike"]["size"])
    true = np.array(
        [[strike_size(TRUTH["noise"].strike, np.array([d]), np.array([a]), 0.25)[0] for a in DELTAS] for d in DAYS]
    )
    seen = slice(1, 6)  # the record holds expiries of 3 to 120 days
    error = np.array(errors["strike"]["size"])[seen]
    # a node stands for a cell around it: the size changes inside, by some 8 % at most
    np.testing.assert_array_less(np.abs(size - true)[seen], 3.0 * error + 0.1 * true[seen])
    for name, law in (("expiry", TRUTH["noise"].expiry), ("skew", TRUTH["noise"].skew)):
        own, error = (np.array(one[name]["size"])[2:5] for one in (found, errors))
        truth = np.array([law.over(d, 0.25) for d in DAYS[2:5]])
        np.testing.assert_array_less(np.abs(own - truth), 3.0 * error + 0.1 * truth)
    # a few of its errors: what the shared moves are off by makes the tail of a strike's own a little lighter
    away = 3.0 * errors["strike"]["degrees"] + 0.1 * TRUTH["noise"].strike.degrees
    assert found["strike"]["degrees"] == pytest.approx(TRUTH["noise"].strike.degrees, abs=away)


def test_a_walk_grows_by_the_root_of_time(fitted: FittedModel) -> None:
    for name in ("expiry", "skew", "strike"):
        found, errors = (one["noise"]["BTC"][name]["exponent"] for one in (fitted.settings, fitted.errors))
        assert found == pytest.approx(0.5, abs=min(3.0 * errors + 0.02, 0.1)), name


def _without_error(settings: Any, errors: Any, place: str = "") -> list[str]:
    """Places of numbers that have no error."""
    if isinstance(settings, dict):
        kept = {key: value for key, value in settings.items() if key not in ("days", "delta")}  # nodes, not estimates
        return [one for key, value in kept.items() for one in _without_error(value, errors.get(key), f"{place}.{key}")]
    if isinstance(settings, list):
        pairs = zip(settings, errors, strict=True)
        return [one for i, pair in enumerate(pairs) for one in _without_error(*pair, f"{place}.{i}")]
    return [] if errors is not None and errors >= 0.0 else [place]


def test_every_number_that_the_record_shows_has_an_error(fitted: FittedModel) -> None:
    missing = _without_error(fitted.settings, fitted.errors)
    # expiries of 1.2 to 150 days: the outermost nodes hold fewer than 20 options, or none
    assert {place for place in missing if not re.search(r"noise.*size\.[06]", place)} == set()


def test_one_underlying_has_an_error_of_its_skew_tenor() -> None:
    chain = drawn_chains(steps=60, seed=1)
    alone = fit_model(chain[chain["currency"] == "BTC"], resamples=20)
    assert 0.0 < alone.errors["skew_tenor"] < 1.0


def test_errors_are_over_six_hours_as_sizes_are() -> None:
    """The same moves told as those of 24 hours: over 6 hours sizes and their errors are half as large."""
    chain = drawn_chains(steps=120, seed=1)
    moves = surface_moves(chain[chain["currency"] == "BTC"])
    both = [fit_asset(one, None, 0.45, 0, 200) for one in (moves, dataclasses.replace(moves, step_days=4 * moves.step_days))]
    for name in ("expiry", "skew", "strike"):
        for numbers, off in (
            (([one.noise[name]["size"] for one in both]), 1e-9),
            ([one.noise_errors[name]["size"] for one in both], 0.15),
        ):
            at_step, at_day = (np.array(one) for one in numbers)
            known = np.isfinite(at_step) & np.isfinite(at_day)
            # blocks of two days are 8 steps of one and 2 of the other: errors differ a little by that
            assert np.median(at_day[known] / at_step[known]) == pytest.approx(0.5, rel=off), name
        assert np.isnan(both[0].noise_errors[name]["exponent"])  # 0.5 is a guess without longer steps


def test_correlation_and_degrees_come_back(fitted: FittedModel) -> None:
    for name in ("correlation", "degrees"):
        assert fitted.settings[name] == pytest.approx(TRUTH[name], abs=3.0 * fitted.errors[name]), name


def test_the_file_goes_round(fitted: FittedModel, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(fitted.to_toml())
    settings = ParametricScenarios(model=str(path), count=50)
    assert settings.model is None  # the numbers are in the settings now
    assert settings.by_asset["BTC"].vol_beta == pytest.approx(fitted.settings["by_asset"]["BTC"]["vol_beta"], rel=1e-3)
    assert fitted.scenarios().noise["ETH"].strike.degrees == pytest.approx(settings.noise["ETH"].strike.degrees, rel=1e-3)
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[minimize]]\nterm = { kind = "carry" }\n[scenarios]\nkind = "parametric"\nmodel = "model.toml"\nvol_beta = -0.5\n'
    )
    read = ho.read_policy(policy)
    assert read.scenarios.of_each("vol_beta", ["BTC", "ETH"]).tolist() == [-0.5, -0.5]  # the policy's own word counts
    assert read.scenarios.of_each("vol_of_vol", ["BTC"])[0] == settings.by_asset["BTC"].vol_of_vol
    assert ho.read_policy(io.StringIO(read.to_toml())) == read


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.drop(columns="mark_iv"), "column 'mark_iv' is missing"),
        (lambda c: c.assign(mark_iv=c["mark_iv"] * 100.0), "per cent"),
        (lambda c: c[c["timestamp"] <= c["timestamp"].unique()[10]], "30 are needed"),
        (lambda c: c.assign(strike=-c["strike"]), "not above 0"),
        (lambda c: c.assign(timestamp=c["timestamp"].dt.tz_localize(None)), "not in UTC"),
        (lambda c: c.assign(mark_iv=np.nan), "no option with a vol"),
        (lambda c: c[c["strike"].isin(c["strike"].unique()[:2])], "four strikes"),
        (
            lambda c: c.assign(mark_iv=c["mark_iv"].where(c.index != 7, 0.0)),
            r"chain.mark_iv: BTC: holds 1 number not above 0 and finite, first at 2026-01-01 08:00:00.*got 0.0",
        ),
        (
            lambda c: c.assign(underlying_price=c["underlying_price"].where(c.index > 1, np.inf)),
            "holds 2 numbers not above 0 and finite",
        ),
        (lambda c: c.assign(index_price=c["index_price"].where(c.index != 7, -1.0)), "chain.index_price: .*got -1.0"),
        (lambda c: c.assign(strike=c["strike"].where(c.index != 7)), "chain.strike: .*got nan"),
    ],
)
def test_records_that_are_none_are_refused_in_one_line(change: Any, words: str) -> None:
    chain = drawn_chains(steps=40, seed=1)
    with pytest.raises(InputError, match=words) as error:
        fit_model(change(chain), resamples=20)
    assert "\n" not in str(error.value)


def _eth_later(chain: pd.DataFrame, seconds: float, keep: slice = slice(None)) -> pd.DataFrame:
    """The same record, ETH read a while after BTC, and only at some of the moments."""
    eth = chain[chain["currency"] == "ETH"]
    eth = eth[eth["timestamp"].isin(eth["timestamp"].unique()[keep])]
    eth = eth.assign(timestamp=eth["timestamp"] + pd.Timedelta(seconds=seconds))
    return pd.concat([chain[chain["currency"] == "BTC"], eth], ignore_index=True)


def test_underlyings_recorded_seconds_apart_are_fitted_together() -> None:
    chain = drawn_chains(steps=60, seed=1)
    at_once = fit_model(chain, resamples=20)
    apart = fit_model(_eth_later(chain, 7.0), resamples=20)
    for name in ("correlation", "degrees", "jump_rate", "jump_mean", "jump_noise"):
        assert apart.settings[name] == pytest.approx(at_once.settings[name], rel=1e-9, abs=1e-9), name
    assert apart.scenarios(count=10).correlation == apart.settings["correlation"]


def test_underlyings_with_too_few_steps_in_common_are_refused() -> None:
    chain = drawn_chains(steps=64, seed=1)
    with pytest.raises(InputError, match="BTC, ETH have only 0 steps in common, 30 are needed"):
        fit_model(_eth_later(chain, 3 * 3600.0), resamples=20)
    with pytest.raises(InputError, match="have only 29 steps in common"):
        fit_model(pd.concat([chain[chain["currency"] == "BTC"], _eth_late_half(chain)]), resamples=20)
    with pytest.raises(InputError, match="steps of 6 hours of BTC and of 12 of ETH"):
        fit_model(_eth_later(chain, 0.0, slice(None, None, 2)), resamples=20)


def _eth_late_half(chain: pd.DataFrame) -> pd.DataFrame:
    """ETH from the 36th snapshot on, moved in time so that 29 of its 30 steps have one of BTC's beside them."""
    eth = _eth_later(chain, 6 * 3600.0, slice(34, 65))
    return eth[eth["currency"] == "ETH"]


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        ParametricScenarios(model="nowhere.toml")
    odd = tmp_path / "odd.toml"
    odd.write_text("[scenario]\n")
    with pytest.raises(InputError, match="is no scenario model"):
        ParametricScenarios(model=str(odd))


def test_the_packaged_model_is_a_model() -> None:
    settings = ParametricScenarios(model="measured")
    assert set(settings.by_asset) == {"BTC", "ETH"}
    assert set(settings.noise) == {"BTC", "ETH", "*"}
    assert vol_term_weight(np.array(30 / 365)) == 1.0


@pytest.mark.realdata
def test_the_packaged_model_is_what_the_record_of_january_and_february_gives() -> None:
    path = Path(__file__).parents[4] / "shared/data/deribit-chains/6h_liquid_dev_20251230_20260531.parquet"
    chain = pd.read_parquet(path)
    start, end = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-03-01", tz="UTC")
    found = fit_model(chain[(chain["timestamp"] >= start) & (chain["timestamp"] < end)], resamples=20)
    shipped = ParametricScenarios(model="measured")
    for asset in ("BTC", "ETH"):
        for name, value in found.settings["by_asset"][asset].items():
            assert getattr(shipped.by_asset[asset], name) == pytest.approx(value, rel=1e-3), (asset, name)
        for part in ("expiry", "skew", "strike"):
            size = np.array(found.settings["noise"][asset][part]["size"])
            np.testing.assert_allclose(np.array(getattr(shipped.noise[asset], part).size), size, rtol=1e-3)
