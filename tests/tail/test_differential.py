"""Three thousand small programs with units mixed within each, against HiGHS, Clarabel and enumeration."""

from __future__ import annotations

import collections

import pytest

from benchmarks.campaign.tail_differential import WRONG, Template, checked, draws

# Templates per test; all of them together make 3,057 programs, and as many more run in benchmarks/campaign.
EACH, TESTS = 8, 11


@pytest.mark.parametrize("chunk", range(TESTS))
def test_random_programs_agree(chunk: int) -> None:
    found: collections.Counter[str] = collections.Counter()
    for seed in range(EACH * chunk, EACH * (chunk + 1)):
        template = Template(seed)
        for number in range(draws(template.form)):
            word = checked(template, number)
            found[word] += 1
            assert word not in WRONG, f"template {seed} ({template.form}), draw {number}: {word}"
    assert found["refused"] + found["inexact"] + found["no reference"] <= 0.03 * found.total()
