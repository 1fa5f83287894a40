"""Every registered margin rule answers everything that the code may ask of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.models.data import table
from hedgeopt.models.margin.model import Liquidation, MarginModel
from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.models.margin.state import State
from hedgeopt.models.pricing.families import FAMILIES, natures


def _state(kind: str, venue: str = "deribit") -> State:
    """One instrument of a family on BTC, with every number that a margin rule may ask for."""
    one, nature = np.ones(1), natures()[kind]
    spot = 80_000.0
    mark = 0.05 if nature.option else spot
    return State(
        venue=venue,
        account="main",
        names=(kind,),
        nature=(nature,),
        underlying=("BTC",),
        settlement=("BTC" if nature.option else "USDC",),
        inverse=np.array([nature.option]),
        index=spot * one,
        settlement_price=(spot if nature.option else 1.0) * one,
        mark=mark * one,
        value=np.array([{"margined": 0.0, "premium": mark * spot, "owned": spot, "owed": -spot}[nature.paid]]),
        forward=spot * one,
        strike=spot * one,
        years=0.1 * one,
        vol=0.6 * one,
        is_call=np.array([True]),
        open_interest=1_000.0 * one,
        assets=("BTC", "USDC"),
        prices=np.array([spot, 1.0]),
        ltv=0.7 * one if nature.loan == "deposit" else np.zeros(1),
        threshold=0.8 * one if nature.loan == "deposit" else np.zeros(1),
        bonus=np.zeros(1),
        funding=1e-4 * one,
    )


def _said(call: Callable[[], Any]) -> Any:
    """What a call returns, or the words of its refusal; any other error is one."""
    try:
        return call()
    except ho.InputError as error:
        return str(error)


BYBIT = """
extends = "bybit"
as_of = 2026-10-01
shelf_life_days = 90
[margin.brackets]
BTC = [[2000000, 100, 0.005]]
[portfolio_margin.BTC]
futures = 0.008
short_option = 0.01
initial_factor = 1.2
vols = [[0, 0.5, 0.4]]
"""
OKX = """
extends = "okx_portfolio"
as_of = 2026-10-01
shelf_life_days = 90
[portfolio_margin.large]
vols = [[0, 0.3, 0.5]]
vega = [[0, 0.05]]
interest = [[0, 0.02]]
minimum_long_option = 0.001
minimum_short_option = 0.005
"""
"""Numbers that the packaged tables ask for."""


@pytest.fixture
def rule(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param in ("bybit", "bybit_portfolio", "okx_portfolio"):
        for name, text in (("bybit", BYBIT), ("okx_portfolio", OKX)):
            (tmp_path / f"{name}.toml").write_text(text)
        monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    if request.param != "table":
        return margin_model(request.param, "deribit")
    path = tmp_path / "venue.toml"
    grid = "moves = [-0.2, 0.0, 0.2]\nvols = [-0.3, 0.0, 0.3]\npower = 0.0\nfutures_rate = 0.0\nshort_option_rate = 0.0\n"
    grid += "initial_factor = 1.2\nmaintenance_factor = 1.0\n"
    path.write_text(f'[margin]\ntype = "grid"\n{grid}')
    return margin_model(f"table:{path}", "deribit")


@pytest.mark.parametrize("rule", list(MODELS), indirect=True)
@pytest.mark.parametrize("kind", list(FAMILIES))
def test_every_margin_rule_charges_a_family_or_refuses_it_by_name(kind: str, rule: Any) -> None:
    """Never a bare KeyError; and less than nothing of it never needs nothing."""
    state, nature = _state(kind), natures()[kind]
    assert rule.name
    assert rule.source
    for share in ("initial", "maintenance"):
        assert rule.haircut(state, share).shape == (2,)
    assert isinstance(rule.reads(state, np.array([1.0, 1.0])), tuple)
    charged = {}
    for quantity in (1.0, -1.0):
        said = _said(lambda q=quantity: rule.requirement(state, np.array([q]), np.zeros(2)))
        if isinstance(said, str):
            assert kind in said
        else:
            charged[quantity] = said.initial
    assert rule.may_be_short(nature) or -1.0 not in charged or kind == "lending_borrow"
    if nature.derivative and charged and rule.name != "otc":  # a bilateral contract: its margin is known to no rule
        assert charged.get(-1.0, 1.0) > 0.0
        assert not nature.margined or charged[1.0] > 0.0
    encoding = _said(lambda: rule.encode(state, "initial"))
    if isinstance(encoding, str):
        assert kind in encoding
        return
    for quantity, need in charged.items():
        if nature.loan == "none":  # the rule of loans weighs them against equity, by the encoding's own convention
            held = np.array([quantity])
            assert encoding.at(held)(held, np.zeros(2)) >= need * (1.0 - 1e-9)  # exact at its anchor


@pytest.mark.parametrize("rule", list(MODELS), indirect=True)
@pytest.mark.parametrize("kind", list(FAMILIES))
def test_every_hook_of_a_margin_rule_answers_for_every_family(kind: str, rule: MarginModel) -> None:
    state, nature, held, posted = _state(kind), natures()[kind], np.array([0.5]), np.array([0.0, 1_000.0])
    assert isinstance(rule, MarginModel)
    assert isinstance(rule.lends, bool)
    assert rule.may_be_short(nature) <= rule.lends
    largest = _said(lambda: rule.largest(state, held, [0]))
    assert isinstance(largest, str) or (largest.shape == (1,) and largest[0] >= 0.5)
    again = rule.under(health=1.0, relative=1.0)
    assert _said(lambda: again.requirement(state, held, posted)) == _said(lambda: rule.requirement(state, held, posted))
    stricter = rule.under(health=1.5, relative=0.5)
    need, more = (_said(lambda r=r: r.requirement(state, held, posted)) for r in (rule, stricter))
    assert isinstance(need, str) or more.maintenance >= need.maintenance
    health = _said(lambda: rule.health_factor(state, held, posted))
    assert health is None or isinstance(health, str) or health >= 0.0
    call = _said(lambda: rule.liquidation(state, held, posted))
    assert call is None or isinstance(call, str | Liquidation)
    for name, parameter in rule.reads(state, posted):
        found = table(name)
        for key in parameter.split("."):
            assert key in found, f"{rule.name} reads {parameter} of {name}.toml, which is not there"
            found = found[key]


@pytest.mark.parametrize("rule", list(MODELS), indirect=True)
def test_a_liquidation_rule_of_its_own_says_how_much_is_closed_and_at_what(rule: MarginModel) -> None:
    assert rule.liquidation_rule is None or {"part", "no_quote"} <= set(rule.liquidation_rule)


@pytest.mark.parametrize("rule", list(MODELS), indirect=True)
def test_a_rule_lends_where_it_takes_anything_that_is_short_or_owed(rule: MarginModel) -> None:
    taken = []
    for kind, nature in natures().items():
        state = _state(kind)
        for quantity in np.array([[1.0], [-1.0]]):
            owed = float(quantity @ state.value) < 0.0 or (nature.derivative and quantity[0] < 0.0)
            if owed and not isinstance(_said(lambda q=quantity, s=state: rule.requirement(s, q, np.zeros(2))), str):
                taken.append(kind)
    assert rule.lends == bool(taken)


def test_a_rule_without_a_hook_cannot_be_made() -> None:
    class Half(MarginModel):
        name, source = "half", "nowhere"

        def requirement(self, state: State, quantity: np.ndarray, collateral: np.ndarray) -> Any:
            return None

    with pytest.raises(TypeError, match="encode"):
        Half()  # type: ignore[abstract]
