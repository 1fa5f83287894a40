"""The scenario table against one-by-one prices; blocks, threads and float32 against the whole."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.pricing import black76

OPTIONS, SCENARIOS = 60, 1500  # more than one tile of scenarios


@pytest.fixture(scope="module")
def book() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    underlying = rng.integers(0, 2, OPTIONS)
    forward = np.array([65_000.0, 3_000.0])[underlying] * rng.uniform(0.98, 1.05, OPTIONS)
    years = rng.choice([-0.01, 0.0, 1e-7, 2e-6, 1 / 365, 7 / 365, 30 / 365, 1.0], OPTIONS)
    return {
        "forward": forward,
        "strike": forward * rng.choice([0.2, 0.8, 1.0, 1.0001, 1.3, 4.0], OPTIONS),
        "years": years,
        "vol": rng.uniform(0.2, 1.5, OPTIONS),
        "is_call": rng.integers(0, 2, OPTIONS).astype(bool),
        "underlying": underlying,
        "vol_exponent_weight": (30 / np.maximum(365 * years, 1.0)) ** 0.3,
    }


@pytest.fixture(scope="module")
def moves() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    shape = (SCENARIOS, 2)
    tables = {
        "spot_factor": np.exp(0.15 * rng.standard_normal(shape)),
        "log_vol_shift": 0.4 * rng.standard_normal(shape),
        "basis": 0.05 * rng.standard_normal(shape),
        "skew": 0.1 * rng.standard_normal(shape),
    }
    tables["spot_factor"][0], tables["log_vol_shift"][0] = 1.0, 0.0  # the base case
    return tables


@pytest.mark.parametrize("extras", [(), ("basis",), ("skew",), ("basis", "skew")])
def test_agrees_with_price_one_by_one(
    book: dict[str, np.ndarray], moves: dict[str, np.ndarray], extras: tuple[str, ...]
) -> None:
    given = {name: moves[name] for name in ("spot_factor", "log_vol_shift", *extras)}
    values = black76.scenario_values(**book, **given, vol_floor=0.05, vol_cap=2.0)
    u, T, K = book["underlying"], book["years"], book["strike"]
    basis = moves["basis"][:, u] * T if "basis" in extras else 0.0
    forward = book["forward"] * moves["spot_factor"][:, u] * np.exp(basis)
    vol = book["vol"] * np.exp(moves["log_vol_shift"][:, u] * book["vol_exponent_weight"])
    if "skew" in extras:
        vol = vol + moves["skew"][:, u] * np.log(K / forward) / np.sqrt(np.maximum(T, 1 / 365))
    expected = black76.black76_price(forward, K, np.maximum(T, 0.0), np.clip(vol, 0.05, 2.0), book["is_call"])
    assert values.shape == (SCENARIOS, OPTIONS)
    assert np.all(np.isfinite(values))
    np.testing.assert_array_less(np.abs(values - expected), 1e-14 * np.maximum(forward, K))
    worth = expected > 1e-12 * forward
    np.testing.assert_allclose(values[worth], expected[worth], rtol=1e-9)


def test_any_thread_count_gives_the_same_bits(book: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> None:
    one = black76.scenario_values(**book, **moves)
    for threads in (2, 7):
        np.testing.assert_array_equal(black76.scenario_values(**book, **moves, threads=threads), one)


def test_blocks_tile_the_table_within_memory(book: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> None:
    whole = black76.scenario_values(**book, **moves)
    budget, seen = 8 * OPTIONS * 333 + 5, 0
    for block in black76.scenario_blocks(**book, **moves, memory_bytes=budget):
        assert block.rows.start == seen
        assert block.values.nbytes <= budget
        assert block.storage_error == 0.0
        np.testing.assert_array_equal(block.values, whole[block.rows])
        seen = block.rows.stop
    assert seen == SCENARIOS


def test_float32_reports_its_error(book: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> None:
    whole = black76.scenario_values(**book, **moves)
    for block in black76.scenario_blocks(**book, **moves, memory_bytes=4 * OPTIONS * 1000, dtype=np.float32):
        assert block.values.dtype == np.float32
        worst = np.abs(block.values.astype(float) - whole[block.rows]).max()
        assert 0.0 < worst <= block.storage_error


def test_out_is_filled_in_place(book: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> None:
    out = np.empty((OPTIONS, SCENARIOS)).T
    assert black76.scenario_values(**book, **moves, out=out) is out
    with pytest.raises(InputError, match="out"):
        black76.scenario_values(**book, **moves, out=np.empty((SCENARIOS, OPTIONS)))


def test_bad_input_is_named(book: dict[str, np.ndarray], moves: dict[str, np.ndarray]) -> None:
    def refuse(field: str, **changes: object) -> None:
        with pytest.raises(InputError) as caught:
            black76.scenario_values(**{**book, **moves, **changes})  # type: ignore[arg-type]
        assert caught.value.field is not None
        assert caught.value.field.startswith(field)

    refuse("vol", vol=-book["vol"])
    refuse("forward", forward=0.0)
    refuse("years", years=np.full(OPTIONS, np.nan))
    refuse("strike", strike=np.ones(3))
    refuse("underlying", underlying=book["underlying"] - 1)
    refuse("spot_factor", underlying=book["underlying"] + 1)
    refuse("spot_factor", spot_factor=0.0 * moves["spot_factor"])
    refuse("skew", skew=moves["skew"][:10])
    refuse("vol_floor", vol_floor=6.0)
    refuse("threads", threads=0)
    with pytest.raises(InputError, match="memory_bytes"):
        black76.scenario_blocks(**book, **moves, memory_bytes=10)
