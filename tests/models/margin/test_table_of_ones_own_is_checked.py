"""A margin table of one's own: what is no rule is refused when it is read, not when a margin comes out wrong."""

import copy

import pytest
import tomli_w

from hedgeopt.errors import InputError
from hedgeopt.models.margin.generic import Generic
from hedgeopt.models.margin.rules import margin_model

TIERS = {"margin": {"type": "tiers", "initial": {"*": [[0, 0.1], [1e6, 0.2]]}, "maintenance": {"*": [[0, 0.05]]}}}
GRID = {"margin": {"type": "grid", "moves": [-0.1, 0.1], "vols": [0.0], "power": 0.3, "futures_rate": 0.005,
                   "short_option_rate": 0.0, "initial_factor": 1.2, "maintenance_factor": 1.0}}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "key", "value", "words"),
    [
        (TIERS, "initial", {"*": [[0, "0.1"]]}, r"\[margin\]: .*initial.*must be a number"),
        (TIERS, "initial", {"*": [[0, float("nan")]]}, "must be"),
        (TIERS, "initial", {"*": [[0, -0.1]]}, "must be 0 or more"),
        (TIERS, "initial", {"*": []}, "needs at least 1"),
        (TIERS, "initial", {"*": [[0, 0.1], [0, 0.2]]}, "begin at 0 USD and rise"),
        (TIERS, "initial", {"*": [[5, 0.1]]}, "begin at 0 USD and rise"),
        (TIERS, "initial", {"*": [[0, 0.2], [10, 0.1]]}, r"^mine: \[margin\]: initial\.\*: rates must not fall.*give"),
        (TIERS, "instrument", {"nothing": {"initial": {}, "maintenance": {}}}, r"instrument\.nothing: is no margin class"),
        (GRID, "instrument", {"option": {}}, r"instrument\.option: is no margin class"),
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


@pytest.mark.parametrize("field", list(GRID["margin"]))
def test_nothing_of_a_grid_has_a_default(field):
    """A rate that was forgotten is not 0."""
    table = copy.deepcopy(GRID)
    del table["margin"][field]
    with pytest.raises(InputError, match=f"{field}: (is missing|needs \\[margin\\] with type)"):
        Generic("mine", table)


def test_a_table_of_another_name_is_not_passed_over():
    with pytest.raises(InputError, match="haircuts: is no section of a margin table; did you mean 'haircut'"):
        Generic("mine", {**TIERS, "haircuts": {"ETH": 0.1}})


def test_a_table_that_was_mended_is_read_again(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(TIERS))
    first = margin_model(f"table:{path}", "here")
    assert margin_model(f"table:{path}", "here") is first
    path.write_text(tomli_w.dumps({"margin": {**TIERS["margin"], "initial": {"*": [[0, 0.25]]}}}))
    assert margin_model(f"table:{path}", "here").rules["initial"] == {"*": [[0, 0.25]]}
