"""A limit of one's own with two sides: reported as one band, and met where it has no width."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest

import hedgeopt as ho
from hedgeopt.constraints.rows import LinearConstraint, Row, band
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.pricing.family import greek
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program


class DeltaBand(LinearConstraint):
    """Net delta of trades alone, in BTC, from both sides."""

    source: ClassVar[str] = "made up"

    kind: Literal["delta_band"] = "delta_band"
    lower: float = 0.0
    upper: float = 0.0

    @property
    def name(self) -> str:
        """``traded``."""
        return "traded"

    def rows(self, e: Exposures) -> list[Row]:
        """A band."""
        return band(self.name, "BTC", e.trade_greeks[greek("delta"), :, 0], self.lower, self.upper)


@pytest.fixture(scope="module")
def e(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


@pytest.mark.parametrize(("lower", "upper"), [(-1.0, 1.0), (-3.0, -2.0), (0.0, 0.0), (7.0, 7.0)])
def test_two_sides_hold(lower: float, upper: float, e: Exposures) -> None:
    policy = ho.Policy(minimize=ho.TransactionCost(), lots="ideal")
    limits = (DeltaBand(lower=lower, upper=upper), ho.Gamma("BTC") >= 0.0)
    program = Program(policy.model_copy(update={"subject_to": limits}), e)
    answer = solve_program(program, e)
    assert answer.certificate.valid
    below, above = answer.sides[:2]
    assert (below.name, above.name) == ("traded lower", "traded upper")
    assert (below.limit, below.sign, above.limit, above.sign) == (lower, -1, upper, 1)
    assert lower - 1e-6 <= below.value == above.value <= upper + 1e-6


def test_a_band_without_room_is_moved_and_not_closed(e: Exposures) -> None:
    rows = DeltaBand(lower=0.0, upper=0.0).rows(e)
    (limit,) = Program(
        ho.Policy(minimize=ho.TransactionCost(), subject_to=[ho.Delta("BTC").within(0, 0)], lots="ideal"), e
    ).limits
    assert limit.tightened(rows, {"traded upper": 0.25}) == [-0.25, -0.25]
    wide = DeltaBand(lower=-1.0, upper=1.0).rows(e)
    assert limit.tightened(wide, {"traded upper": 0.25}) == [-1.0, 0.75]
    apart = [Row("a", "USD", wide[0].slope, 5.0, -1), Row("b", "USD", wide[0].slope, 0.0)]
    assert limit.tightened(apart, {}) == [5.0, 0.0]  # two limits of their own: nothing is moved
