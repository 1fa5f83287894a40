"""Fits of impact to books: with known answers, and of recorded books with their error out of sample."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hedgeopt.cli.app import app
from hedgeopt.inputs.depth.forms import read_ladders
from hedgeopt.models.costs.impact_fit import fit_impact, law_text, worse_than_constant
from hedgeopt.models.costs.ladder import Ladder, book_levels


def _book(k: float, power: float, levels: int = 400) -> Ladder:
    """Prices such that walking to q costs ``k q**(power - 1)`` a unit beyond the best level, middle 100."""
    q = np.arange(1.0, levels + 1.0)
    total = 100.0 * k * q**power  # beyond the best level, quote units
    price = np.concatenate([[0.0], np.diff(total)])
    price = np.maximum.accumulate(price)
    asks = book_levels(np.column_stack([100.01 + price, np.ones(levels)]))
    bids = book_levels(np.column_stack([99.99 - price, np.ones(levels)]))
    return Ladder("deribit:X", datetime(2026, 3, 2, tzinfo=UTC), bids, asks)


@pytest.mark.parametrize(("power", "k"), [(1.5, 1e-4), (2.0, 2e-6)])
def test_a_fit_finds_the_law_that_a_book_was_made_of(power: float, k: float) -> None:
    found = fit_impact(_book(k, power), power)
    assert found is not None
    assert found.k == pytest.approx(k, rel=0.12)  # levels are steps
    assert found.exponent == pytest.approx(power, abs=0.12)
    assert found.r2 > 0.93
    assert found.error_outside == pytest.approx(found.error_inside, rel=1e-6)  # both sides are alike
    other = fit_impact(_book(k, power), 3.5 - power)
    assert other is not None
    assert other.error_inside > 2 * found.error_inside


def test_too_few_levels_teach_nothing() -> None:
    assert fit_impact(_book(1e-4, 1.5, levels=2)) is None


def test_the_command_prints_what_was_fitted(tmp_path: Path) -> None:
    asks = [[80_016 + 5 * k, 10_000.0 * (k + 1)] for k in range(20)]
    bids = [[80_000 - 5 * k, 9_000.0 * (k + 1)] for k in range(20)]
    book = {"instrument_name": "BTC-PERPETUAL", "timestamp": 1_772_438_400_000, "bids": bids, "asks": asks}
    (tmp_path / "book.json").write_text(json.dumps(book))
    run = CliRunner().invoke(app, ["costs", "fit", str(tmp_path / "book.json"), "--json"])
    assert run.exit_code == 0, run.output
    one = json.loads(run.stdout)["fits"][0]
    assert one["instrument"] == "deribit:BTC-PERPETUAL"
    assert one["half_spread"] == pytest.approx(8.0 / 80_008.0)
    run = CliRunner().invoke(app, ["costs", "fit", str(tmp_path / "book.json"), "--power", "3"])
    assert run.exit_code != 0


def test_a_fit_that_is_worse_than_a_constant_is_not_written() -> None:
    good = fit_impact(_book(1e-4, 1.5))
    assert good is not None
    bad = [replace(good, instrument="bybit:ETHUSDT", r2=r2) for r2 in (-0.67, -0.1, 0.3)]
    assert worse_than_constant([good, *bad]) == {"bybit:ETHUSDT": -0.1}
    assert list(tomllib.loads(law_text([good, *bad], 1.5))["instruments"]) == ["deribit:X"]
    assert not worse_than_constant([good, *bad[2:]])


def test_the_command_names_what_it_leaves_out_of_the_law_and_writes_no_empty_one(tmp_path: Path) -> None:
    """Far level, then a deep one: a unit costs less the larger the order is."""
    sides = {"bids": [[79_999.0, 1.0], [79_900.0, 1.0]], "asks": [[80_001.0, 1.0], [80_100.0, 1.0]]}
    for side, sign in (("bids", -1), ("asks", 1)):
        sides[side] += [[80_000.0 + sign * (101.0 + k), 1e4] for k in range(3)]
    flat = {"instrument_name": "BTC-27MAR26", "timestamp": 1_772_438_400_000, **sides}
    (tmp_path / "flat.json").write_text(json.dumps(flat))
    made = ["costs", "fit", str(tmp_path / "flat.json"), "--power", "2", "--out", str(tmp_path / "impact.toml")]
    run = CliRunner().invoke(app, made)
    assert "fits no book better than a constant" in str(run.exception)
    assert not (tmp_path / "impact.toml").exists()
    asks = [[80_016 + 5 * k, 10_000.0 * (k + 1)] for k in range(20)]
    bids = [[80_000 - 5 * k, 9_000.0 * (k + 1)] for k in range(20)]
    good = {"instrument_name": "BTC-PERPETUAL", "timestamp": 1_772_438_400_000, "bids": bids, "asks": asks}
    (tmp_path / "good.json").write_text(json.dumps(good))
    run = CliRunner().invoke(app, [*made, str(tmp_path / "good.json")])
    assert run.exit_code == 0, run.output
    assert "left out, a constant explains its books better than the law (R² -" in run.stderr
    assert list(tomllib.loads((tmp_path / "impact.toml").read_text())["instruments"]) == ["deribit:BTC-PERPETUAL"]


@pytest.mark.realdata
def test_recorded_books_fit_with_a_known_error(shared_data: Path) -> None:
    source = shared_data / "orderbooks" / "l2_snapshots_cryptofeed_2021_2022.csv"
    fits = [one for ladder, _ in read_ladders(source, None) if (one := fit_impact(ladder)) is not None]
    assert len(fits) >= 45
    assert 1.2 < np.median([one.exponent for one in fits]) < 2.2
    assert np.median([one.error_outside for one in fits]) < 1.0
