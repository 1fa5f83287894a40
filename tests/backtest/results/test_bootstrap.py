"""The block bootstrap: its exact variance, its coverage on AR(1), its block length against theory and arch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from hedgeopt.backtest.results.bootstrap import block_length, bootstrap, bootstrap_indices
from hedgeopt.errors import InputError


def ar1(phi: float, size: tuple[int, ...], seed: int) -> np.ndarray:
    """Stationary AR(1) with unit innovations, mean zero."""
    noise = np.random.default_rng(seed).normal(size=(*size[:-1], size[-1] + 200))
    return lfilter([1.0], [1.0, -phi], noise)[..., 200:]


def mean(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=-1)


@pytest.mark.parametrize("method", ["stationary", "circular"])
def test_variance_of_the_mean_is_the_exact_one(method):
    # the pair (i, j) of a resample lies in one block with a known probability, and then is a pair of the circle
    n, block = 60, 5
    x = ar1(0.6, (n,), 1)
    centred = x - x.mean()
    circle = np.array([centred @ np.roll(centred, -k) for k in range(n)]) / n
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    if method == "stationary":
        together = (1 - 1 / block) ** lag
    else:
        together = (np.arange(n)[:, None] // block == np.arange(n) // block).astype(float)
    exact = float((together * circle[lag]).sum()) / n**2
    indices = bootstrap_indices(n, block, 40_000, np.random.default_rng(2), method)
    assert x[indices].mean(axis=1).var() == pytest.approx(exact, rel=0.04)


def test_blocks_run_on_around_the_circle():
    indices = bootstrap_indices(20, 5, 500, np.random.default_rng(0), "circular")
    inside = np.delete(np.arange(19), [4, 9, 14])
    assert (np.diff(indices, axis=1)[:, inside] % 20 == 1).all()
    fresh = np.diff(bootstrap_indices(1000, 10.0, 50, np.random.default_rng(0)), axis=1) % 1000 != 1
    assert np.mean(fresh) == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(
        np.sort(np.unique(bootstrap_indices(7, 1e9, 50, np.random.default_rng(0)) - np.arange(7), axis=1) % 7)[:, 0] >= 0,
        np.ones(50, dtype=bool),
    )


def test_coverage_on_autocorrelated_series_where_resampling_single_steps_fails():
    series = ar1(0.5, (200, 250), 3)

    def covered(block: float | None) -> float:
        found = [bootstrap(row, mean, confidence=0.9, replications=300, block=block, seed=k) for k, row in enumerate(series)]
        return float(np.mean([one.noise for one in found]))

    # the mean is zero, so noise is the truth; blocks short of the whole dependence cost some of the 90 %, single steps much
    # more: their spread is too small by sqrt(3), which leaves 2 Phi(1.645 / sqrt(3)) - 1 = 66 %
    blocks, single = covered(None), covered(1.0)
    assert 0.75 <= blocks <= 0.95
    assert single < 0.70


@pytest.mark.parametrize("phi", [0.3, 0.5, 0.7])
def test_block_length_of_ar1_tends_to_the_closed_form(phi):
    # g / S = 2 phi / (1 - phi^2), so b = (2 phi / (1 - phi^2))^(2/3) T^(1/3)
    n = 8_000
    exact = (2 * phi / (1 - phi**2)) ** (2 / 3) * n ** (1 / 3)
    found = [(block_length(row), block_length(row, "circular")) for row in ar1(phi, (8, n), 4)]
    assert np.mean(found, axis=0) == pytest.approx([exact, exact * 1.5 ** (1 / 3)], rel=0.15)


def test_block_length_near_that_of_arch():
    arch = pytest.importorskip("arch.bootstrap", reason="arch is not installed: it is an oracle here, not a dependency")
    for seed, phi in enumerate((0.0, 0.6, 0.9)):
        x = ar1(phi, (600,), seed)
        stationary, circular = arch.optimal_block_length(x).to_numpy()[0]
        # arch looks one lag further before it calls autocorrelations small
        assert block_length(x) == pytest.approx(stationary, rel=0.35)
        assert block_length(x, "circular") == pytest.approx(circular, rel=0.35)


def test_constant_and_short_series_have_blocks_of_one():
    assert block_length(np.ones(50)) == 1.0
    assert block_length(np.arange(5.0)) == 1.0


def test_series_stay_together_and_the_seed_decides():
    x = ar1(0.2, (200,), 5)
    both = np.stack([x, x + 3.0], axis=1)
    found = bootstrap(both, lambda s: (s[..., 1] - s[..., 0]).mean(axis=-1), replications=500, seed=8)
    assert (found.low, found.estimate, found.high) == pytest.approx((3.0, 3.0, 3.0))
    assert not found.noise
    assert found.p_value == pytest.approx(2 / 501)
    assert bootstrap(x, mean, seed=1) == bootstrap(x, mean, seed=1) != bootstrap(x, mean, seed=2)


@pytest.mark.parametrize("seed", range(6))
def test_interval_and_p_value_agree_about_zero(seed):
    x = ar1(0.3, (120,), seed) + 0.25
    found = bootstrap(x, mean, replications=2000, seed=seed)
    if abs(found.p_value - 0.05) > 0.005:
        assert found.noise == (found.p_value > 0.05)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="at least 8"):
        bootstrap(np.arange(5.0), mean)
    with pytest.raises(InputError, match="not finite"):
        bootstrap(np.full(20, np.nan), mean)
    with pytest.raises(InputError, match="confidence"):
        bootstrap(np.arange(20.0), mean, confidence=1.0)
    with pytest.raises(InputError, match="block length"):
        bootstrap_indices(10, 0.5, 1, np.random.default_rng(0))
    with pytest.raises(InputError, match="every resample"):
        bootstrap(np.arange(20.0), lambda s: np.full(s.shape[:-1], np.inf) if s.ndim > 1 else np.float64(1.0))
