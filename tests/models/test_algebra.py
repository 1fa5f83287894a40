"""No limit is lost by the way Python reads a comparison, and numbers may stand on either side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.models.terms import TERMS

delta, gamma = ho.Delta("BTC"), ho.Gamma("ETH")

WORDS: list[Any] = [
    *(term.model_construct() for term in TERMS.values()),
    *(constraint.model_construct() for constraint in CONSTRAINTS.values()),
    2 * delta,
    delta + gamma,
    delta <= 5,
    delta.within(-1, 1),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
def test_no_word_of_a_policy_has_a_truth_value(word: Any) -> None:
    for ask in (bool, operator.not_, lambda w: w and 1, lambda w: 1 if w else 2, lambda w: any([w])):
        with pytest.raises(ho.InputError, match=r"\.within\(lower, upper\), or two limits"):
            ask(word)  # type: ignore[operator]


@pytest.mark.parametrize(
    "chain",
    [
        lambda: -5 <= delta <= 5,
        lambda: 5 >= delta >= -5,
        lambda: np.float64(-5) <= delta <= np.float64(5),
        lambda: delta >= -5 and delta <= 5,
        lambda: delta <= 5 or gamma >= 0,
        lambda: not delta <= 5,
        lambda: -5 <= 2 * delta <= 5,
        lambda: ho.OrderLimit(notional=1.0) and ho.Participation(share=0.1),
        lambda: delta and gamma <= 5,
        lambda: delta < 5,
        lambda: -5 < delta,  # noqa: SIM300
        lambda: delta != 0,
        lambda: np.float64(0) != delta,
        lambda: (delta >= -5) <= 5,
        lambda: (delta >= -5) == 5,
        lambda: ho.OrderLimit(notional=1.0) <= 5,
        lambda: delta <= gamma,
        lambda: delta <= True,
        lambda: delta == True,  # noqa: E712
        lambda: delta <= np.inf,
        lambda: delta >= -np.inf,
        lambda: delta.within(-np.inf, 5),
        lambda: delta <= float("nan"),
        lambda: delta == float("nan"),
        lambda: delta <= 10**400,
        lambda: delta <= "5",
        lambda: delta <= None,
        lambda: delta <= np.array([1.0, 2.0]),
        lambda: np.array([1.0, 2.0]) >= delta,
        lambda: np.array([0.0]) == delta,
        lambda: ho.CVaR(0.99) == 0,
        lambda: float("nan") * delta,
        lambda: delta + 5,
        lambda: max(delta, gamma),
    ],
)
def test_what_would_lose_a_limit_or_bounds_nothing_is_refused(chain: Callable[[], object]) -> None:
    with pytest.raises(ho.InputError) as caught:
        chain()
    assert "\n" not in str(caught.value)


NUMBERS = [
    float, lambda v: np.float64(v), lambda v: np.array(v), lambda v: Decimal(repr(v)), Fraction, lambda v: np.float32(v),
]  # fmt: skip


@given(st.floats(-1e6, 1e6, width=32), st.sampled_from(NUMBERS))
def test_a_number_of_any_type_on_either_side_is_the_same_limit(value: float, number: Callable[[float], Any]) -> None:
    v = number(value)
    assert ((v <= delta).lower, (v <= delta).upper) == (value, None)
    assert ((v >= delta).lower, (v >= delta).upper) == (None, value)
    assert (delta >= v) == (v <= delta)
    assert (delta <= v) == (v >= delta)
    both = delta.within(value, value)
    assert (v == delta) == both
    assert (delta == v) == both
    assert (v * delta).parts[0].weight == value == (delta * v).parts[0].weight


def test_words_still_compare_with_each_other_and_are_keys() -> None:
    assert ho.Delta("BTC") == delta
    assert not delta != ho.Delta("BTC")  # noqa: SIM202
    assert delta != ho.Delta("ETH")
    assert (delta == ho.Delta("ETH")) is False
    assert {delta: 1, gamma: 2}[ho.Gamma("ETH")] == 2
    assert len({delta, ho.Delta("BTC"), gamma, delta <= 5, ho.Delta("BTC") <= 5}) == 3
    assert 2 * delta == 2 * ho.Delta("BTC")
    assert len({2 * delta, 2 * ho.Delta("BTC")}) == 1
    assert (delta == None) is False  # noqa: E711
    assert (delta == "delta") is False


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (delta <= 5, "must be a list of limits"),
        (ho.OrderLimit(notional=1.0), "must be a list of limits"),
        ({"kind": "limit"}, "must be a list of limits"),
        ("delta", "must be a list of limits"),
        (None, "must be a list of limits"),
        (5, "must be a list of limits"),
        ([delta <= 5, True], r"subject_to\.1: is not a limit"),
        ([delta == ho.Delta("ETH")], r"subject_to\.0: is not a limit"),
        ([delta], r"subject_to\.0: is not a limit"),
        ([2 * delta], r"subject_to\.0: is not a limit"),
        ([[delta <= 5]], r"subject_to\.0: is not a limit"),
    ],
)
def test_what_is_not_a_list_of_limits_is_refused_by_name(limits: Any, words: str) -> None:
    with pytest.raises(ho.InputError, match=words) as caught:
        ho.Policy(minimize=ho.TransactionCost(), subject_to=limits, lots="ideal")
    assert "\n" not in str(caught.value)


def test_any_iterable_of_limits_is_taken() -> None:
    limits = (delta <= 5, gamma >= 0)
    for listed in (list(limits), iter(limits), dict.fromkeys(limits).keys()):
        assert ho.Policy(minimize=ho.TransactionCost(), subject_to=listed, lots="ideal").subject_to == limits


def test_equality_with_a_number_limits_both_sides(toy_book: ho.Book, toy_market: ho.Market) -> None:
    answer = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC") == 0],
        scenarios=ho.ParametricScenarios(count=50),
        lots="ideal",
    ).propose(toy_book, toy_market)
    sides = {row.limit: (row.after, row.bound, row.sense) for row in answer.limits.itertuples()}
    assert {sense for _, _, sense in sides.values()} == {"<=", ">="}
    for after, bound, _ in sides.values():
        assert bound == 0.0
        assert abs(after) < 1e-9
