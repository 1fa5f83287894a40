"""The order of legs: every state on the way is evaluated a second time, from a book written, read and priced afresh."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.orders.failing import without_each
from hedgeopt.orders.legs import legs_in
from hedgeopt.orders.ordering import LegPart, best_order, in_pieces, states_of
from hedgeopt.orders.plan import execution_plan
from hedgeopt.orders.prefixes import LimitWatch
from hedgeopt.program.book_after import book_after
from hedgeopt.verify.limits import checked_limits
from hedgeopt.verify.sizes import trade_range

from .conftest import solved


def afresh(name: str, x: np.ndarray) -> dict[str, tuple[float, float, int]]:
    """Value, bound and sign of every limit of the book after trades x (K,) that was written, read and priced anew."""
    s = solved(name)
    listed = legs_in(s.proposal, s.book, s.market)
    whole = np.zeros(listed.e.n_candidates)
    whole[listed.keep] = x
    after = ho.read_book(book_after(s.book, listed.e, whole))
    e = expose(after, s.market, s.policy)
    rules = s.policy.model_dump(mode="json")
    nothing = np.zeros(e.n_candidates)
    return {i.name: (i.value, i.limit, i.sign) for i in checked_limits(rules, e, nothing, trade_range(rules, e), ())}


@settings(max_examples=12, deadline=None)
@given(shares=st.lists(st.floats(0.0, 1.0), min_size=16, max_size=16))
def test_a_state_is_what_the_book_would_be(shares: list[float]) -> None:
    """Partly filled lists: the watch says the same about limits as a book in which those fills are booked."""
    s = solved("whole")
    listed = legs_in(s.proposal, s.book, s.market)
    x = listed.x * np.array(shares[: len(listed.x)])
    watch = LimitWatch(s.proposal.policy, listed.e, listed.keep)
    told = {one.limit: one.value for one in watch.excesses(x)}
    start = afresh("whole", 0.0 * x)
    for limit, (value, bound, sign) in afresh("whole", x).items():
        if limit.endswith(("margin main", "leverage")) or limit not in start:
            continue  # of equity after costs, which the rows count on the other side
        allowed = max(sign * bound, sign * start[limit][0])
        over = (sign * value - allowed) / max(abs(bound), abs(start[limit][0]))
        if abs(over) > 1e-2:  # costs are paid in coins, which the book has less of in a stress
            assert (limit in told) == (over > 0), (limit, value, bound)
            assert limit not in told or told[limit] == pytest.approx(value, rel=1e-2)


@pytest.mark.parametrize("name", ["whole", "network", "loan", "nothing"])
def test_no_state_exceeds_a_limit(name: str) -> None:
    s = solved(name)
    plan = execution_plan(s.proposal, s.book, s.market)
    assert plan.keeps_limits
    assert plan.states["allowed"].all()
    assert sorted(plan.legs["instrument"]) == sorted([*s.proposal.trades["instrument"], *plan_transfers(plan)])
    sides = plan.legs["side"].tolist()
    assert sides == sorted(sides, key=lambda side: side != "send"), "transfers come first"
    assert plan.to_json() == execution_plan(s.proposal, s.book, s.market).to_json()
    assert json.loads(plan.to_json())["keeps_limits"] is True


def plan_transfers(plan: Any) -> list[str]:
    return plan.legs.loc[plan.legs["side"] == "send", "instrument"].tolist()


def test_every_prefix_of_the_example_holds_in_books_of_its_own() -> None:
    s = solved("whole")
    listed = legs_in(s.proposal, s.book, s.market)
    plan = execution_plan(s.proposal, s.book, s.market)
    names = [one.instrument for one in listed.legs]
    x = np.zeros(len(names))
    start = afresh("whole", x)
    for instrument in plan.legs["instrument"]:
        x[names.index(instrument)] = listed.x[names.index(instrument)]
        for limit, (value, bound, sign) in afresh("whole", x).items():
            if limit in start:
                allowed = max(sign * bound, sign * start[limit][0])
                assert sign * value <= allowed + 1e-6 * max(abs(bound), abs(start[limit][0])), (instrument, limit)


def test_legs_that_need_each_other_are_told_and_sent_in_rounds() -> None:
    """Ten coins against ten in a band of four: no whole leg may come first; in rounds of at most four coins both may."""
    s = solved("band")
    plan = execution_plan(s.proposal, s.book, s.market)
    assert plan.legs["quantity"].tolist() == pytest.approx([10.0, 10.0], rel=0.01)
    assert not plan.keeps_limits
    (line,) = plan.breaks
    assert line.startswith("delta BTC lower: -")
    assert "at leg 1 (sell 9.99" in line or "at leg 1 (sell 10" in line
    (advice,) = plan.advice
    assert advice.endswith("every limit holds on the way: --rounds 3")
    rounds = execution_plan(s.proposal, s.book, s.market, rounds=3)
    assert rounds.keeps_limits
    assert len(rounds.pieces) == 6
    for leg in (1, 2):
        parts = rounds.pieces.loc[rounds.pieces["leg"] == leg, "quantity"]
        assert parts.sum() == pytest.approx(rounds.legs["quantity"][leg - 1], rel=1e-12)
    assert not execution_plan(s.proposal, s.book, s.market, rounds=2).keeps_limits


def test_a_leg_that_fails_stops_what_depends_on_it() -> None:
    s = solved("band")
    plan = execution_plan(s.proposal, s.book, s.market)
    assert plan.legs["if_it_fails"].tolist() == ["stop: delta BTC upper", "go on"]


@pytest.mark.parametrize(("name", "rounds"), [("band", None), ("band", 3), ("network", None), ("network", 2)])
def test_go_on_means_every_later_piece_in_part_and_whole(name: str, rounds: int | None) -> None:
    """Afresh, from what is sent: a leg fails at one of its pieces, the others go on."""
    s = solved(name)
    plan = execution_plan(s.proposal, s.book, s.market, rounds=rounds)
    listed = legs_in(s.proposal, s.book, s.market)
    watch = LimitWatch(s.proposal.policy, listed.e, listed.keep)
    place = {one.instrument: k for k, one in enumerate(listed.legs)}
    legs = [place[name] for name in plan.legs["instrument"]]
    pieces = [LegPart(legs[int(p.leg) - 1], p.quantity * listed.legs[legs[int(p.leg) - 1]].sign)
              for p in plan.pieces.itertuples()]  # fmt: skip
    for leg, told in zip(legs, plan.legs["if_it_fails"], strict=True):
        broken = set()
        for at in (k for k, piece in enumerate(pieces) if piece.leg == leg):
            sent = [piece for k, piece in enumerate(pieces) if k < at or piece.leg != leg]
            for k, _, x, moving in states_of(sent, len(listed.x), listed.sent):
                if k >= at:
                    broken |= {one.limit for one in watch.excesses(x, on_its_way=moving if moving.any() else None)[:1]}
        assert (told == "go on") == (not broken), (leg, told, broken)
        assert told == "go on" or told.removeprefix("stop: ") in broken


def test_a_part_that_breaks_a_limit_stops_even_where_whole_legs_do_not() -> None:
    """A bump in the middle, as margin rules have: whole legs are fine, half of the second without the first is not."""

    class Bump(Straight):
        def excesses(self, x: np.ndarray, *, on_its_way: Any = None) -> tuple[Any, ...]:
            self.evaluated += 1
            return (Limit(),) if x[0] == 0.0 and 0.3 < x[1] < 0.7 else ()

    class Limit:
        limit = "margin"

    watch = Bump(np.zeros((1, 2)), np.zeros(1), np.ones(1))
    told = without_each(watch, [LegPart(0, 1.0), LegPart(1, 1.0)], [0, 1], 2, frozenset())  # type: ignore[arg-type]
    assert told == {0: "stop: margin", 1: "go on"}
    many = [LegPart(k % 9, 1.0) for k in range(9 * 40)]
    told = without_each(Straight(np.zeros((1, 9)), np.zeros(1), np.ones(1)), many, range(9), 9, frozenset())  # type: ignore[arg-type]
    assert set(told.values()) == {"stop: not checked"}, "what was not looked at is never waved through"


def test_an_order_beyond_the_quoted_size_is_noted() -> None:
    s = solved("whole")
    leg = execution_plan(s.proposal, s.book, s.market).legs.iloc[0]
    assert leg["quote_size"] != leg["quote_size"]  # the packaged market has no sizes
    side = "ask_size" if leg["side"] == "buy" else "bid_size"
    sizes = {"bid_size": 1e12, "ask_size": 1e12}
    quotes = s.market.quotes.assign(**sizes)
    quotes.loc[f"deribit:{leg['instrument']}", side] = leg["quantity"] / 2
    market = ho.Market(s.market.timestamp, s.market.prices, s.market.instruments, quotes)
    plan = execution_plan(s.proposal, s.book, market)
    (note,) = [note for note in plan.notes if "at the quote" in note]
    assert note.startswith(f"{leg['side']} {leg['quantity']:,.10g} {leg['instrument']}: only {leg['quantity'] / 2:,.10g} ")
    assert plan.legs.set_index("instrument").loc[leg["instrument"], "quote_size"] == leg["quantity"] / 2


def test_a_transfer_on_its_way_is_checked_too() -> None:
    s = solved("network")
    plan = execution_plan(s.proposal, s.book, s.market)
    moves = plan.states[plan.states["leg"] <= 2]
    assert moves["filled"].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert plan.legs["wait_hours"].tolist()[:2] == [2.0, 1.0]


class Straight:
    """A watch over one number per limit: ``low <= value <= high`` for ``start + slope @ x``."""

    def __init__(self, slope: np.ndarray, start: np.ndarray, high: np.ndarray) -> None:
        self.slope, self.start, self.high, self.evaluated, self.quick = slope, start, high, 0, True
        self.allowed = np.maximum(start, high)

    def excesses(self, x: np.ndarray, *, on_its_way: Any = None) -> tuple[Any, ...]:
        self.evaluated += 1
        return tuple(k for k, over in enumerate(self.start + self.slope @ x - self.allowed) if over > 1e-9)

    def outside(self, x: np.ndarray) -> float:
        return float(np.maximum(self.start + self.slope @ x - self.high, 0.0).sum())

    def loss(self, x: np.ndarray) -> float:
        return 0.0


@settings(max_examples=200, deadline=None)
@given(data=st.data(), count=st.integers(1, 6), limits=st.integers(1, 3))
def test_an_order_is_found_wherever_one_exists(data: st.DataObject, count: int, limits: int) -> None:
    """Against all orders, one by one."""
    from itertools import permutations

    number = st.integers(-4, 4).map(float)
    slope = np.array(data.draw(st.lists(st.lists(number, min_size=count, max_size=count), min_size=limits, max_size=limits)))
    start = np.array(data.draw(st.lists(number, min_size=limits, max_size=limits)))
    watch = Straight(slope, start, np.maximum(start + slope.sum(axis=1), 0.0))
    x = np.ones(count)
    found = best_order(watch, x, frozenset())  # type: ignore[arg-type]

    def good(order: Any) -> bool:
        return all(not watch.excesses(at) for _, _, at, _ in states_of([LegPart(k, 1.0) for k in order], count, frozenset()))

    assert (found is not None) == any(map(good, permutations(range(count))))
    assert found is None or good(found)


@given(
    lots=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    rounds=st.integers(1, 12),
    step=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_parts_are_whole_lots_and_add_up(lots: list[int], rounds: int, step: float) -> None:
    x = np.array([float(f"{n * step:.10g}") * (-1) ** k for k, n in enumerate(lots)])
    pieces = in_pieces(x, range(len(x)), rounds, np.full(len(x), step), frozenset())
    for leg in range(len(x)):
        mine = [piece.quantity for piece in pieces if piece.leg == leg]
        assert sum(mine) == pytest.approx(x[leg], abs=1e-9)
        assert all(abs(q / step - round(q / step)) < 1e-9 and q * x[leg] > 0 for q in mine)


@given(
    lots=st.lists(st.integers(5, 90), min_size=1, max_size=4), least=st.sampled_from([0.5, 0.45, 0.3, 0.0, float("nan")]),
    rounds=st.integers(1, 12), step=st.sampled_from([0.1, 0.0, float("nan")]),
)  # fmt: skip
def test_no_part_is_below_the_smallest_order(lots: list[int], least: float, rounds: int, step: float) -> None:
    x = np.array([float(f"{0.1 * n:.10g}") * (-1) ** k for k, n in enumerate(lots)])
    pieces = in_pieces(x, range(len(x)), rounds, np.full(len(x), step), frozenset(), np.full(len(x), least))
    assert [piece.round for piece in pieces] == sorted(piece.round for piece in pieces)
    for leg in range(len(x)):
        mine = [piece for piece in pieces if piece.leg == leg]
        assert sum(piece.quantity for piece in mine) == pytest.approx(x[leg], abs=1e-9)
        assert len({piece.round for piece in mine}) == len(mine)
        assert all(abs(piece.quantity) >= (least if least > 0 else 0.0) - 1e-9 for piece in mine)
        assert len(mine) == rounds or least > 0 or step > 0


def test_one_part_that_cannot_be_cut_is_sent_in_the_middle_and_two_a_quarter_from_the_ends() -> None:
    for quantity, expected in ((14.0, [(3, 7.0), (8, 7.0)]), (9.0, [(5, 9.0)])):
        pieces = in_pieces(np.array([quantity]), [0], 10, np.array([0.1]), frozenset(), np.array([5.0]))
        assert [(piece.round, piece.quantity) for piece in pieces] == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slippage": -0.1}, "slippage: is no share"),
        ({"slippage": 2.0}, "slippage: is no share"),
        ({"rounds": 0}, "rounds: is out of range"),
        ({"minutes": 10.0}, "minutes: need rounds"),
        ({"minutes": -1.0, "rounds": 3}, "minutes: is out of range"),
        ({"risk_aversion": -1.0}, "risk_aversion: is out of range"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(options: dict[str, Any], words: str) -> None:
    s = solved("nothing")
    with pytest.raises(ho.InputError, match=words) as told:
        execution_plan(s.proposal, s.book, s.market, **options)
    assert "\n" not in str(told.value)


def test_a_user_limit_without_a_formula_is_named() -> None:
    s = solved("nothing")
    own = {"kind": "my_limit", "usd": 1.0}
    watch = LimitWatch(
        {**s.proposal.policy, "subject_to": [*s.proposal.policy["subject_to"], own]},
        expose(s.book, s.market, s.policy), np.array([0]),
    )  # fmt: skip
    assert watch.unknown == ("my_limit",)
    assert watch.excesses(np.zeros(1)) == ()


def test_another_book_is_no_plan() -> None:
    s = solved("whole")
    with pytest.raises(ho.InputError, match="unknown account"):
        execution_plan(solved("network").proposal, s.book, s.market)
