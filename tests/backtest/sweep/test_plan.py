"""What a plan makes of its file: settings, cells, keys, and one line where it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hedgeopt.backtest.sweep.plan import Range, SweepPlan, put_at, read_plan
from hedgeopt.errors import InputError

TEXT = """
name = "bands"
base = "backtest.toml"
minimize = "cvar_95"
[vary]
"policy.band" = [0.5, 1.0]
"policy.minimize.1.weight" = [1, 2, 3]
[across]
period = [{ start = 2026-01-01, end = 2026-02-01 }, { start = 2026-02-01, end = 2026-03-01 }]
"""
BASE = """
book = "book.json"
[policy]
name = "optimizer"
minimize = [{ kind = "cost", weight = 1 }, { kind = "cvar", weight = 1 }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sweep.toml").write_text(TEXT)
    (tmp_path / "backtest.toml").write_text(BASE)
    (tmp_path / "book.json").write_text("{}")
    return tmp_path


def test_a_grid_from_a_file(folder):
    plan = read_plan(folder / "sweep.toml")
    cells = plan.cells(folder)
    assert plan.objective == ("cvar_95", -1.0)
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 3 * 2
    assert [cell.trial for cell in cells] == [k // 2 for k in range(12)]
    last = cells[-1].config
    assert last["policy"]["band"] == 1.0
    assert [term["weight"] for term in last["policy"]["minimize"]] == [1, 3]
    assert str(last["period"]["start"]) == "2026-02-01"
    assert last["book"] == str(folder / "book.json")
    assert last["policy"]["name"] == "optimizer"


def test_cells_do_not_share_what_they_hold(folder):
    cells = read_plan(folder / "sweep.toml").cells(folder)
    cells[0].config["policy"]["minimize"][0]["weight"] = 99
    assert all(cell.config["policy"]["minimize"][0]["weight"] == 1 for cell in cells[1:])


def test_keys_follow_content_and_not_place(folder, tmp_path_factory):
    plan = read_plan(folder / "sweep.toml")
    keys = [cell.key for cell in plan.cells(folder)]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("backtest.toml", "book.json"):
        (elsewhere / name).write_bytes((folder / name).read_bytes())
    assert [cell.key for cell in plan.cells(elsewhere)] == keys
    assert not set(keys) & {cell.key for cell in plan.cells(folder, "other:runner")}
    (folder / "book.json").write_text('{"changed": 1}')
    os.utime(folder / "book.json", ns=(1, 1))
    assert not set(keys) & {cell.key for cell in plan.cells(folder)}


def test_a_folder_counts_with_everything_in_it(tmp_path):
    (tmp_path / "data" / "chains").mkdir(parents=True)
    plan = SweepPlan(backtest={"market": "data/chains"}, vary={"x": [1]})
    before = plan.cells(tmp_path)
    assert before[0].config["market"] == str(tmp_path / "data" / "chains")
    (tmp_path / "data" / "chains" / "day.csv").write_text("a")
    assert plan.cells(tmp_path)[0].key != before[0].key


def test_a_random_search_is_its_seed_and_stays_in_range():
    def drawn(seed: int) -> list[dict[str, object]]:
        vary = {
            "a": Range(low=0.01, high=10, log=True),
            "b": Range(low=1, high=3, integer=True),
            "c": ["x", "y"],
            "d": Range(low=-1, high=1),
        }
        return list(SweepPlan(backtest={"z": 0}, method="random", count=400, seed=seed, vary=vary).settings())

    one = drawn(1)
    assert one == drawn(1) != drawn(2)
    assert all(0.01 <= s["a"] <= 10 and -1 <= s["d"] <= 1 for s in one)
    assert {s["b"] for s in one} == {1, 2, 3}
    assert {s["c"] for s in one} == {"x", "y"}
    # the logarithm is uniform: a third of the draws in each decade
    assert 0.25 < sum(s["a"] < 0.1 for s in one) / 400 < 0.42


def test_settings_drawn_twice_count_once():
    plan = SweepPlan(backtest={"z": 0}, method="random", count=50, vary={"a": [1, 2]}, across={"p": [1, 2, 3]})
    cells = plan.cells(Path())
    assert len(cells) == 6
    assert {cell.trial for cell in cells} == {0, 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vary": {}}, "names no field"),
        ({"vary": {"a": []}}, "no values"),
        ({"vary": {"a": {"low": 0, "high": 1}}}, "list of values"),
        ({"vary": {"a": {"low": 2, "high": 1}}}, "low must be below high"),
        ({"vary": {"a": {"low": 0, "high": 1, "log": True}}}, "above 0"),
        ({"vary": {"a..b": [1]}}, "dotted path"),
        ({"vary": {"a": [1]}, "across": {"a.b": [1]}}, "varied twice"),
        ({"count": 3}, "needs count, and a grid takes none"),
        ({"method": "random"}, "needs count"),
        ({"maximize": "total_pnl", "minimize": "cost"}, "not both"),
        ({"maximize": "luck"}, "total_pnl"),
        ({"base": "../x.toml"}, "same folder"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_plan_is_one_line(tmp_path, change, words):
    import tomli_w

    path = tmp_path / "sweep.toml"
    path.write_text(tomli_w.dumps({"backtest": {"z": 0}, "vary": {"a": [1]}} | change))
    with pytest.raises(InputError, match=words) as caught:
        read_plan(path)
    assert "\n" not in str(caught.value)


def test_the_plans_in_the_docs_are_plans(repository, tmp_path):
    blocks = (repository / "docs" / "sweep.md").read_text().split("```toml\n")[1:]
    for k, block in enumerate(blocks):
        path = tmp_path / f"{k}.toml"
        path.write_text(block.split("```")[0])
        assert list(read_plan(path).settings())


def test_paths_that_lead_nowhere_are_named():
    config = {"a": [1, 2], "b": 3}
    for path, words in (("a.2", "2 entries"), ("a.x", "2 entries"), ("b.c", "plain value")):
        with pytest.raises(InputError, match=words):
            put_at(config, path, 0)
    put_at(config, "a.1", 9)
    put_at(config, "c.d.e", 1)
    assert config == {"a": [1, 9], "b": 3, "c": {"d": {"e": 1}}}


def test_nothing_to_vary_and_too_much(tmp_path):
    with pytest.raises(InputError, match="no backtest to vary"):
        SweepPlan(vary={"a": [1]}).cells(tmp_path)
    many = list(range(1100))
    with pytest.raises(InputError, match="1,000,000 cells"):
        SweepPlan(backtest={"z": 0}, vary={"a": many, "b": many}).cells(tmp_path)


def test_a_policy_of_ones_own_is_in_the_key(tmp_path, monkeypatch):
    from hedgeopt.backtest.sweep.content import cell_key

    module = tmp_path / "own_policy_of_a_test.py"
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for text in ("class A: pass\n", "class A: x = 1\n"):
        module.write_text(text)
        keys.append(cell_key({"policies": [{"kind": "python", "object": "own_policy_of_a_test:A"}]}, tmp_path))
    assert keys[0] != keys[1]
