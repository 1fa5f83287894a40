"""A margin table of one's own: what is no rule is refused when it is read, not when a margin comes out wrong."""

import copy

import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.generic import Generic

TIERS = {"margin": {"type": "tiers", "initial": {"*": [[0, 0.1], [1e6, 0.2]]}, "maintenance": {"*": [[0, 0.05]]}}}
GRID = {"margin": {"type": "grid", "moves": [-0.1, 0.1], "vols": [0.0], "initial_factor": 1.2, "maintenance_factor": 1.0}}


@pytest.mark.parametrize(
    ("table", "key", "value", "words"),
    [
        (TIERS, "initial", {"*": [[0, "0.1"]]}, r"\[margin\]: .*initial.*must be a number"),
        (TIERS, "initial", {"*": [[0, float("nan")]]}, "must be"),
        (TIERS, "initial", {"*": [[0, -0.1]]}, "must be 0 or more"),
        (TIERS, "initial", {"*": []}, "needs at least 1"),
        (TIERS, "initial", {"*": [[0, 0.1], [0, 0.2]]}, "begin at 0 USD and rise"),
        (TIERS, "initial", {"*": [[5, 0.1]]}, "begin at 0 USD and rise"),
        (TIERS, "initial", 3, "must be a table"),
        (TIERS, "intial", {}, "unknown field.*did you mean 'initial'"),
        (GRID, "moves", [float("inf")], "must be"),
        (GRID, "moves", "-0.1", "must be a list"),
        (GRID, "initial_factor", True, "must be a number"),
        (GRID, "initial_factor", -1, "must be greater than 0"),
    ],
)
def test_wrong_tables_are_refused(table, key, value, words):
    table = copy.deepcopy(table)
    Generic("mine", table)
    table["margin"][key] = value
    with pytest.raises(InputError, match=words):
        Generic("mine", table)


def test_wrong_haircuts_are_refused():
    for share in ("0.1", True, float("nan"), 1.5, -0.1):
        with pytest.raises(InputError, match=r"haircut.ETH: must be a share"):
            Generic("mine", {**TIERS, "haircut": {"ETH": share}})
