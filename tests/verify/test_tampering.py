"""A stored proposal with any number changed is noticed, or the change is harmless: a looser bound, or less than rounding."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures

from .worlds import World, desk_policy, network_book, network_market, network_policy

Told = tuple[World, dict[str, Any], Exposures]


@pytest.fixture(scope="module")
def stored(toy_book: ho.Book, toy_market: ho.Market) -> dict[str, Told]:
    worlds = {
        "desk": World(toy_book, toy_market, desk_policy()),
        "network": World(network_book(), network_market(), network_policy()),
    }
    return {name: (world, world.told(), world.exposures()) for name, world in worlds.items()}


MUST = [
    *(("trades", name) for name in ("quantity", "price", "notional", "cost", "fee", "premium")),
    *(("transfers", name) for name in ("amount", "usd", "cost")),
    *(("limits", name) for name in ("after", "bound", "before")),
    ("objective", "after"),
    ("objective", "before"),
    ("objective", "weight"),
]
"""Numbers of rows that must be right."""


def _noticed(told: Told, changed: dict[str, Any]) -> bool:
    world, _, e = told
    try:
        return not world.verdict(changed, e).valid
    except InputError:
        return True


@pytest.mark.parametrize("name", ["desk", "network"])
def test_as_stored_it_is_valid(name: str, stored: dict[str, Told]) -> None:
    world, told, e = stored[name]
    verdict = world.verdict(told, e)
    assert verdict.valid, verdict
    assert verdict.lower_bound <= verdict.objective + 1e-6 * abs(verdict.objective)


def _draws() -> list[int]:
    """Seeds: a sample, or many more with HEDGEOPT_CAMPAIGN=1."""
    return list(range(400 if os.environ.get("HEDGEOPT_CAMPAIGN", "") not in ("", "0") else 16))


@pytest.mark.parametrize("seed", _draws())
def test_a_changed_number_is_noticed(seed: int, stored: dict[str, Told]) -> None:
    rng = np.random.default_rng(seed)
    found = stored["desk" if seed % 4 == 0 else "network"]
    tables = [pair for pair in MUST if found[1][pair[0]]]
    table, column = tables[int(rng.integers(len(tables)))]
    # rows of delta caps are the program's own, no limit of the policy: told, not checked
    rows = [k for k, told in enumerate(found[1][table]) if " cap " not in str(told.get("limit"))]
    row = int(rng.choice(rows))
    factor = float(rng.choice([0.0, 0.5, 0.999, 1.001, 2.0, -1.0]))
    changed = copy.deepcopy(found[1])
    value = changed[table][row][column]
    size = max(abs(changed[table][row].get("bound", 0.0)), abs(value), 1.0)
    changed[table][row][column] = (
        value * factor if abs(value) * abs(factor - 1.0) > 1e-6 * size else value + factor + 3.0 * size
    )
    assert _noticed(found, changed), (table, row, column, value, changed[table][row][column])


@pytest.mark.parametrize("seed", _draws()[::2])
def test_no_multipliers_prove_too_much(seed: int, stored: dict[str, Told]) -> None:
    """Whatever prices and weights are told, the bound that comes of them is never above the objective."""
    rng = np.random.default_rng(1_000 + seed)
    world, told, e = stored["desk" if seed % 4 == 0 else "network"]
    changed = copy.deepcopy(told)
    for row in changed["limits"]:
        more = float(rng.choice([0.0, 0.0, 1e-3, 10.0]))
        row["shadow_price"] = row["shadow_price"] * float(rng.choice([0.0, 1.0, 1.0, 3.0, 1e6])) + more
    for tail in changed["proof"]["tails"]:
        tail["weights"] = (np.array(tail["weights"]) * rng.choice([0.5, 1.0, 2.0]) + rng.uniform(-0.1, 1.0)).tolist()
    verdict = world.verdict(changed, e)
    assert verdict.lower_bound <= verdict.objective + 1e-6 * max(1.0, abs(verdict.objective))
    assert verdict.valid == (abs(verdict.gap) <= verdict.tolerance)


@pytest.mark.parametrize(
    ("name", "value"),
    [("objective", 1.0), ("lower_bound", 1e5), ("gap", 1e-3), ("tolerance", 0.05), ("feasible", False), ("optimal", False),
     ("worst_violation", 1.0)],
)  # fmt: skip
def test_a_changed_certificate_is_noticed(name: str, value: Any, stored: dict[str, Told]) -> None:
    changed = copy.deepcopy(stored["network"][1])
    changed["certificate"][name] = value
    assert _noticed(stored["network"], changed)


PLACES = [
    *((word, *path) for word in ("before", "after") for path in (
        ("equity",), ("greeks", "BTC", "delta"), ("greeks", "ETH", "gamma"), ("greeks", "BTC", "vega"), ("cvar", "0.99"),
        ("value_at_risk", "0.95"), ("expected_pnl",), ("stress", "2020-03-12"), ("carry",), ("gross_leverage",),
        ("accounts", 0, "equity"),
        ("accounts", 0, "initial_margin"), ("accounts", 0, "maintenance_margin"))),
    *(("margins", 0, word, *path) for word in ("before", "after") for path in (
        ("now", "equity"), ("now", "initial"), ("now", "maintenance"), ("now", "haircut"), ("stresses", 0, "equity"),
        ("stresses", 1, "initial"), ("stresses", 2, "maintenance"))),
    *(("trades", 0, name) for name in ("delta", "gamma", "vega")),
]  # fmt: skip
"""Numbers that are only told."""


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_changed_number_that_is_only_told_is_noticed(path: tuple[Any, ...], stored: dict[str, Told]) -> None:
    changed = copy.deepcopy(stored["desk"][1])
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = place[path[-1]] * 1.001 + 1.0
    assert _noticed(stored["desk"], changed)


@pytest.mark.parametrize("name", ["desk", "network"])
@pytest.mark.parametrize(
    ("path", "value"),
    [(("trades", 0, "unit"), "lots"), (("limits", 0, "breached_before"), None),
     (("margins", 0, "before", "account"), "other"), (("margins", 0, "after", "venue"), "other"),
     (("notes",), []), (("certificate", "notes"), [])],
)  # fmt: skip
def test_changed_words_are_noticed(name: str, path: tuple[Any, ...], value: Any, stored: dict[str, Told]) -> None:
    changed = copy.deepcopy(stored[name][1])
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert _noticed(stored[name], changed)


@pytest.mark.parametrize("table", ["trades", "limits", "objective", "transfers"])
def test_a_row_more_or_less_is_noticed(table: str, stored: dict[str, Told]) -> None:
    for change in (lambda rows: rows[1:], lambda rows: [*rows, rows[0]]):
        changed = copy.deepcopy(stored["network"][1])
        changed[table] = change(changed[table])
        assert _noticed(stored["network"], changed)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("policy", "tolerance"), 0.05), (("policy", "scenarios", "seed"), 6), (("policy", "subject_to", 0, "limit"), 0.9),
     (("policy", "candidates", "max_order_notional"), 1e9), (("created",), "2026-03-02T08:00:01+00:00")],
)  # fmt: skip
def test_other_inputs_are_refused(path: tuple[Any, ...], value: Any, stored: dict[str, Told]) -> None:
    world, told, e = stored["network"]
    changed = copy.deepcopy(told)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError):
        world.verdict(changed, e)


def test_a_customised_program_is_not_verifiable(stored: dict[str, Told]) -> None:
    world, _, e = stored["network"]
    import json

    def no_trade_in_the_first(program: Any) -> None:
        program.extend(program.trades[0] <= 1e3)

    told = json.loads(world.policy.propose(world.book, world.market, customize=no_trade_in_the_first).to_json())
    verdict = world.verdict(told, e)
    assert verdict.exit_code == 4
    assert any("customised" in line for line in verdict.unproven)
