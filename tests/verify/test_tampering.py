"""A stored proposal with any number changed is noticed, or the change is harmless: a looser bound, or less than rounding."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_changed_number_is_noticed(data: st.DataObject, stored: dict[str, Told]) -> None:
    found = stored[data.draw(st.sampled_from(["desk", "network"]))]
    table, column = data.draw(st.sampled_from([pair for pair in MUST if found[1][pair[0]]]))
    row = data.draw(st.integers(0, len(found[1][table]) - 1))
    factor = data.draw(st.sampled_from([0.0, 0.5, 0.999, 1.001, 2.0, -1.0]))
    changed = copy.deepcopy(found[1])
    value = changed[table][row][column]
    size = max(abs(changed[table][row].get("bound", 0.0)), abs(value))
    changed[table][row][column] = value * factor if size == abs(value) else value + (factor - 1.0) * size
    if abs(changed[table][row][column] - value) <= 1e-6 * size:
        return
    assert _noticed(found, changed), (table, row, column, value, changed[table][row][column])


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_multipliers_prove_too_much(data: st.DataObject, stored: dict[str, Told]) -> None:
    """Whatever prices and weights are told, the bound that comes of them is never above the objective."""
    world, told, e = stored[data.draw(st.sampled_from(["desk", "network"]))]
    changed = copy.deepcopy(told)
    for row in changed["limits"]:
        factor = data.draw(st.sampled_from([0.0, 1.0, 1.0, 3.0, 1e6]))
        row["shadow_price"] = row["shadow_price"] * factor + data.draw(st.sampled_from([0.0, 0.0, 1e-3, 10.0]))
    for tail in changed["proof"]["tails"]:
        shift = data.draw(st.floats(-0.1, 1.0))
        tail["weights"] = [weight * data.draw(st.sampled_from([0.5, 1.0, 2.0])) + shift for weight in tail["weights"]]
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
