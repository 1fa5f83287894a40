"""Draws are inversions of PCG64 bits: checked against PCG64 written out, and against the laws they claim."""

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from scipy import stats

from hedgeopt.models.scenarios.variates import chi_square, normals, uniforms

_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


def _pcg64(state: int, increment: int, count: int) -> list[int]:
    """XSL-RR 128/64 (O'Neill 2014), from NumPy's published state."""
    out, mask = [], (1 << 128) - 1
    for _ in range(count):
        state = (state * _MULTIPLIER + increment) & mask
        word, turn = (state >> 64) ^ (state & (1 << 64) - 1), state >> 122
        out.append(((word >> turn) | (word << (64 - turn))) & (1 << 64) - 1)
    return out


def test_uniforms_are_the_upper_bits_of_pcg64_as_published():
    drawn = uniforms(7, "spot", 6, 2)
    for column in (0, 1):
        start = np.random.PCG64(np.random.SeedSequence([7, zlib.crc32(b"spot"), column])).state["state"]
        words = _pcg64(start["state"], start["inc"], 6)
        assert drawn[:, column].tolist() == [((word >> 11) + 0.5) / 2**53 for word in words]


def test_longer_samples_begin_with_shorter_ones_and_streams_differ():
    np.testing.assert_array_equal(normals(1, "a", 50, 3)[:20, :2], normals(1, "a", 20, 2))
    assert abs(np.corrcoef(normals(1, "a", 5000)[:, 0], normals(1, "b", 5000)[:, 0])[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("draws", "law"),
    [
        (lambda: normals(3, "x", 20_000)[:, 0], stats.norm()),
        (lambda: chi_square(3, "x", 20_000, 3.5), stats.chi2(3.5)),
        (lambda: uniforms(3, "x", 20_000)[:, 0], stats.uniform()),
    ],
)
def test_draws_follow_their_law(draws, law):
    assert stats.kstest(draws(), law.cdf).pvalue > 0.01


def test_a_seed_gives_the_same_scenarios_in_another_process_with_other_threads(market):
    code = (
        "import numpy as np\n"
        "from hedgeopt.models.scenarios.draw import draw\n"
        "from hedgeopt.models.scenarios.sample_settings import RegimeScenarios\n"
        "class M:\n"
        "    def atm_vol(self, a, d): return {'BTC': .6, 'ETH': .8}.get(a)\n"
        "    def price(self, a): return 1.0\n"
        "s = draw(RegimeScenarios(count=500, seed=11), ['BTC', 'ETH'], M())\n"
        "print(s.spot_factor.sum().hex(), s.log_vol_shift.sum().hex())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        ).stdout
        for threads in ("1", "2")
    }
    assert len(runs) == 1
