"""Every call of the public API that cannot be right is an InputError in one line, never pydantic's own."""

from __future__ import annotations

import inspect
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import hedgeopt as ho
import hedgeopt.backtest as bt

FILES = ho.example_files()
MARKET = ho.read_market(io.StringIO(FILES["market.csv"]))
BOOK = ho.read_book(io.StringIO(FILES["book.json"]))
POLICY = ho.Policy(ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20), lots="ideal")
MADE = ("Book", "Account", "Position", "Collateral", "Link", "Policy", "Candidates")
RECORDS = sorted(
    name
    for name in ho.__all__
    if inspect.isclass(thing := getattr(ho, name))
    and issubclass(thing, BaseModel)
    and ("kind" in thing.model_fields or name in MADE)
)
ODD: list[Any] = [
    None, True, 3, -1.0, float("nan"), float("inf"), "", "x", b"x", [], {}, object(), np.zeros(2), pd.DataFrame(), 10**400,
]  # fmt: skip


def one_line(call: Any) -> None:
    """The call works, or fails in one line of ours."""
    error: ho.InputError | None = None
    try:
        call()
    except ho.InputError as found:
        error = found
    text = str(error)
    assert "\n" not in text
    assert "pydantic.dev" not in text
    assert "validation error" not in text
    assert len(text) < 1_000


@pytest.mark.parametrize("name", RECORDS)
def test_records_refuse_by_one_line(name: str) -> None:
    cls = getattr(ho, name)
    with pytest.raises(ho.InputError, match=r"no_such_field|argument|missing|unknown|must"):
        cls(no_such_field=1)
    with pytest.raises(ho.InputError):
        cls(*range(9))
    for field in cls.model_fields:
        for odd in ODD:
            one_line(lambda field=field, odd=odd: cls(**{field: odd}))
    for odd in ODD:
        one_line(lambda odd=odd: cls.model_validate(odd))
    one_line(lambda: cls.model_validate_json("{"))


CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "read_market": (ho.read_market, {"at": ..., "venue": ..., "prices": ..., "invert_marks": ..., "window_seconds": ...}),
    "read_book": (ho.read_book, {"source": ...}),
    "read_policy": (ho.read_policy, {"source": ...}),
    "read_proposal": (ho.read_proposal, {"source": ...}),
    "Market.from_frame": (ho.Market.from_frame, {"frame": ...}),
    "Book.from_frame": (ho.Book.from_frame, {"frame": ...}),
    "Market": (ho.Market, {"timestamp": MARKET.timestamp, "prices": {}, "instruments": {}, "quotes": MARKET.quotes}),
    "ScenarioSet": (
        ho.ScenarioSet,
        {
            "name": "x",
            "assets": ("BTC",),
            "spot_factor": np.ones((1, 1)),
            "log_vol_shift": np.zeros((1, 1)),
            "horizon_days": 1.0,
        },
    ),
    "propose": (ho.propose, {"book": BOOK, "market": MARKET, "policy": POLICY}),
    "solve": (ho.solve, {"book": BOOK, "market": MARKET, "policy": POLICY}),
    "evaluate": (ho.evaluate, {"book": BOOK, "market": MARKET, "policy": POLICY, "trades": []}),
    "explain": (ho.explain, {"proposal": ...}),
    "relax": (ho.relax, {"book": BOOK, "market": MARKET, "policy": POLICY, "hard": ...}),
    "frontier": (ho.frontier, {"book": BOOK, "market": MARKET, "policy": POLICY, "points": 2}),
    "tail_anatomy": (ho.tail_anatomy, {"proposal": ...}),
    "stability": (ho.stability, {"proposal": ...}),
    "compare_proposals": (ho.compare_proposals, {"a": ..., "b": ...}),
    "Policy.propose": (POLICY.propose, {"book": BOOK, "market": MARKET}),
    "expose": (ho.expose, {"book": BOOK, "market": MARKET, "policy": POLICY}),
    "margin_report": (ho.margin_report, {"book": BOOK, "market": MARKET}),
    "cash_ladder": (ho.cash_ladder, {"book": BOOK, "market": MARKET, "days": 3, "sent": None}),
    "risk_report": (ho.risk_report, {"exposures": ...}),
    "given_returns": (ho.given_returns, {"returns": ..., "probabilities": None, "horizon_days": 1.0}),
    "draw": (ho.draw, {"settings": POLICY.scenarios, "assets": ["BTC"], "market": MARKET}),
    "presets.delta": (ho.presets.delta, {"book": BOOK, "market": MARKET, "band": 0.1, "seed": 0}),
    "presets.delta_vega": (ho.presets.delta_vega, {"book": BOOK, "market": MARKET, "vega_band": 0.1}),
    "presets.tail": (ho.presets.tail, {"book": BOOK, "market": MARKET, "level": 0.99, "share": 0.5, "weight": 0.02}),
    "presets.crash": (ho.presets.crash, {"book": BOOK, "market": MARKET, "share": 0.5}),
}


INPUTS = ("book", "market", "policy", "exposures", "frame", "source", "returns")


SLOW = ("frontier",)
"""Calls that trace and solve many programs wherever an odd value is a good one."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CALLS])
def test_functions_refuse_by_one_line(name: str) -> None:
    call, good = CALLS[name]
    base = {key: value for key, value in good.items() if value is not ...}
    with pytest.raises(ho.InputError):
        call(**base, no_such_argument=1)
    for argument in good:
        for odd in ODD:
            if argument in INPUTS and odd is None:
                with pytest.raises(ho.InputError):
                    call(**{**base, argument: odd})
            elif argument != "seed" or odd is not ODD[2]:  # a good seed would solve
                one_line(lambda argument=argument, odd=odd: call(**{**base, argument: odd}))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(RECORDS), st.data())
def test_whatever_is_given(name: str, data: st.DataObject) -> None:
    cls = getattr(ho, name)
    fields = data.draw(st.lists(st.sampled_from(sorted(cls.model_fields)), max_size=3, unique=True))
    one_line(lambda: cls(**{field: data.draw(VALUES) for field in fields}))


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_whatever_is_compared(value: Any) -> None:
    for word in (ho.Delta("BTC"), ho.Delta("BTC") + 0.8 * ho.Delta("ETH"), ho.CVaR(0.9) <= 3):
        one_line(lambda word=word: word <= value)
        one_line(lambda word=word: word >= value)
    for word in (ho.Delta("BTC"), ho.Delta("BTC") + 0.8 * ho.Delta("ETH")):
        one_line(lambda word=word: word * value)
        one_line(lambda word=word: word + value)


def _required(call: Any) -> tuple[int, list[str]]:
    """Number of required positional parameters, and names of required keywords."""
    free = [p for p in inspect.signature(call).parameters.values() if p.default is p.empty]
    placed = [p for p in free if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(placed), [p.name for p in free if p.kind is p.KEYWORD_ONLY]


def _callable(module: Any) -> list[Any]:
    """Public functions and classes that users call: no errors, records (above), bases and protocols to subclass."""
    found = [thing for name in sorted(module.__all__) if name != "Strategy" and callable(thing := getattr(module, name))]
    subclassed = (ho.Family, ho.BoundTerm, ho.BoundConstraint, bt.DoNothing)
    return [
        thing
        for thing in found
        if not inspect.isclass(thing) or not (issubclass(thing, BaseModel | Exception) or issubclass(thing, subclassed))
    ]


@pytest.mark.parametrize("call", [*_callable(ho), *_callable(bt)], ids=lambda call: call.__name__)
def test_every_public_name_refuses_by_one_line(call: Any) -> None:
    placed, named = _required(call)
    for odd in (*ODD, [1], "/no/such/place", np.ones(3)):
        one_line(lambda odd=odd: call(*[odd] * placed, **dict.fromkeys(named, odd)))
    if call is not ho.cvar:  # an atom of cvxpy's kind, in a room that knows no calls of ours
        one_line(lambda: call(*range(30)))
        one_line(lambda: call(no_such_argument=1))


def test_inputs_cannot_be_changed() -> None:
    for thing, name in ((POLICY, "name"), (BOOK, "accounts"), (ho.Delta("BTC"), "underlying"), (BOOK, "no_such")):
        with pytest.raises(ho.InputError, match="make another: model_copy"):
            setattr(thing, name, 3)
        with pytest.raises(ho.InputError, match="make another"):
            delattr(thing, name)


def test_tables_are_no_lists() -> None:
    for make in (
        lambda: ho.SurviveStress(scenarios=pd.DataFrame()),
        lambda: ho.Account(name="a", venue="deribit", positions=pd.DataFrame()),
        lambda: ho.Account(name="a", venue="deribit", positions={}),
        lambda: ho.CVaR(None),
    ):
        with pytest.raises(ho.InputError):
            make()


def test_figures_and_files_of_a_proposal() -> None:
    proposal = POLICY.propose(BOOK, MARKET)
    for drawn in (proposal.plot.losses, proposal.plot.greeks, proposal.plot.trades, proposal.plot.stresses):
        with pytest.raises(ho.InputError):
            drawn("x")
    for odd in (None, 3, [], b"x"):
        with pytest.raises(ho.InputError):
            proposal.write(odd)


def test_prices_and_percent_are_no_returns() -> None:
    for table in ({"BTC": [90_000.0, 91_000.0]}, {"BTC": [1.5, 2.5, 3.0]}, {"BTC": [0.1, 0.2, 11.0]}):
        with pytest.raises(ho.InputError, match="prices or percent"):
            ho.given_returns(pd.DataFrame(table))
    assert ho.given_returns(pd.DataFrame({"BTC": [-0.9, 0.4, 3.0]})).spot["BTC"][2] == 4.0


def test_a_currency_that_only_bad_rows_have_is_no_asset() -> None:
    frame = MARKET.to_frame()
    for odd in ("-1", "inf", "x"):
        one = frame.copy()
        one["currency"] = one["currency"].astype(object)
        one.loc[one.index[one["option_type"].notna()][3], "currency"] = odd
        read = ho.Market.from_frame(one)
        assert set(read.prices) <= set(MARKET.prices)
        assert len(read.instruments) == len(MARKET.instruments) - 1
        assert any("unknown currency" in note for note in read.notes)


def test_backtests_have_public_names() -> None:
    assert all(getattr(bt, name) is not None for name in bt.__all__)
