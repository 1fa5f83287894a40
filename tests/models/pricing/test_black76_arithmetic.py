"""The branch-free exp, log and Mills ratio against mpmath: the polynomials' stated errors hold."""

from __future__ import annotations

import mpmath as mp
import numba
import numpy as np
import pytest

from hedgeopt.models.pricing._arithmetic import MILLS_SHIFT, exp, log_ratio, mills


@pytest.fixture(scope="module")
def functions():  # type: ignore[no-untyped-def]
    @numba.njit(error_model="numpy")
    def evaluate(a, b, out):  # type: ignore[no-untyped-def]
        for i in range(a.size):
            out[0, i] = exp(a[i])
            out[1, i] = log_ratio(abs(a[i]), b[i])
            out[2, i] = mills(abs(a[i]), 1.0 / (abs(a[i]) + MILLS_SHIFT))

    def call(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        out = np.empty((3, a.size))
        evaluate(a, b, out)
        return out

    return call


def worst(values: np.ndarray, truth: list[mp.mpf]) -> float:
    return max(float(abs(mp.mpf(float(v)) / t - 1)) for v, t in zip(values, truth, strict=True))


def test_exp(functions) -> None:  # type: ignore[no-untyped-def]
    z = np.concatenate((np.linspace(-708, 708, 401), np.linspace(-1, 1, 101), [1e-300, -1e-17]))
    found = functions(z, np.ones_like(z))[0]
    assert worst(found, [mp.exp(mp.mpf(float(v))) for v in z]) <= 4.5e-16
    assert np.all(functions(np.array([-708.1, -1e4, -np.inf]), np.ones(3))[0] == 0.0)


def test_log_of_a_ratio_keeps_its_digits_near_one(functions) -> None:  # type: ignore[no-untyped-def]
    a = np.concatenate((np.geomspace(1e-250, 1e250, 301), 1 + np.geomspace(1e-15, 1, 60), 1 - np.geomspace(1e-15, 0.9, 60)))
    for b in (1.0, 1.0 + 2.0**-52, 3.7, 65_000.0):
        found = functions(a, np.full_like(a, b))[1]
        with mp.workdps(40):
            truth = [mp.log(mp.mpf(float(v)) / mp.mpf(b)) for v in a]
            pairs = [(v, t) for v, t in zip(found, truth, strict=True) if t != 0]
            assert worst(np.array([v for v, _ in pairs]), [t for _, t in pairs]) <= 4.5e-16
    np.testing.assert_array_equal(functions(a, a)[1], 0.0)


def test_mills_ratio(functions) -> None:  # type: ignore[no-untyped-def]
    y = np.concatenate(([0.0], np.geomspace(1e-8, 40, 400)))
    with mp.workdps(40):
        truth = [mp.sqrt(mp.pi / 2) * mp.exp(mp.mpf(v) ** 2 / 2) * mp.erfc(mp.mpf(v) / mp.sqrt(2)) for v in map(float, y)]
        assert worst(functions(y, np.ones_like(y))[2], truth) <= 2e-15
    far = np.array([50.0, 100.0, 1e6, 1e150])
    # m(y) = 1/y - 1/y^3 + 3/y^5 - ...: between its partial sums
    found = functions(far, np.ones_like(far))[2]
    assert np.all(found * far <= 1.0 + 1e-9)
    assert np.all(found * far >= 1.0 - 1.0 / far**2 - 1e-9)
