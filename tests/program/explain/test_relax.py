"""Planted conflicts are found exactly, ways out resolve them, and the best effort misses what it says."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.program.explain.conflict import Elastic, conflicts_of
from tests.program.explain.test_explained import BOOK, MARKET, POLICY


def with_limits(*limits: object) -> ho.Policy:
    return ho.Policy(
        **{n: getattr(POLICY, n) for n in ho.Policy.model_fields} | {"subject_to": [*POLICY.subject_to, *limits]}
    )


CONFLICT = with_limits(ho.Vega("BTC") >= 30_000.0)


@pytest.fixture(scope="module")
def found() -> ho.WaysOut:
    return ho.relax(BOOK, MARKET, CONFLICT)


def test_the_conflict_is_named_and_is_irreducible(found: ho.WaysOut) -> None:
    (one,) = found.conflicts
    assert set(one.limits) == {"vega BTC", "vega BTC upper"}
    assert one.margin > 0.0
    elastic = Elastic(CONFLICT, expose(BOOK, MARKET, CONFLICT))
    kept = [item for item in elastic.items if item.name in one.limits]
    assert elastic.solve(kept).infeasible
    for item in kept:
        rest = elastic.solve([other for other in kept if other is not item])
        assert rest.feasible
        assert rest.excess <= 1e-6
    assert found.solves <= 10


def test_each_way_out_alone_resolves_the_conflict(found: ho.WaysOut) -> None:
    assert set(found.ways["limit"]) == {"vega BTC", "vega BTC upper"}
    row = found.ways.iloc[0]
    assert row["limit"] == "vega BTC"
    assert row["needed"] == pytest.approx(6000.0, rel=5e-3)
    with_limits(ho.Vega("BTC") >= float(row["needed"])).model_copy(update={"lots": "ideal"}).propose(BOOK, MARKET)
    with pytest.raises(ho.InfeasibleError):
        with_limits(ho.Vega("BTC") >= 6100.0).propose(BOOK, MARKET)


def test_the_best_effort_is_a_proposal_that_says_what_it_misses(found: ho.WaysOut) -> None:
    best = found.best_effort
    assert best is not None
    assert best.certificate.valid
    assert "best effort" in best.policy_name
    row = found.missed.set_index("limit").loc["vega BTC"]
    assert row["asked"] == 30_000.0
    reached = best.after.greeks["BTC"]["vega"]
    assert row["reached"] == pytest.approx(reached)
    assert reached == pytest.approx(6000.0, rel=0.05)
    assert len(found.summary()) <= 10


def test_what_is_no_conflict_and_no_limit_is_refused() -> None:
    with pytest.raises(ho.InputError, match="nothing to relax"):
        ho.relax(BOOK, MARKET, POLICY)
    with pytest.raises(ho.InputError, match="did you mean 'vega BTC'"):
        ho.relax(BOOK, MARKET, CONFLICT, hard=["vega BTX"])


class Planted(ho.LinearConstraint):
    """A random row: at most (or at least) a bound that all but a planted set leave room for."""

    kind: Literal["planted_for_a_test"] = "planted_for_a_test"
    number: int
    bound: float
    sign: int
    parts: int = 0

    @property
    def name(self) -> str:
        return f"planted {self.number}"

    def rows(self, e: ho.Exposures) -> list[ho.Row]:
        notional = np.abs(e.rows.notional[e.candidate])
        numbers = range(self.number - self.parts, self.number) if self.parts else [self.number]
        slope = sum(np.random.default_rng([5, k]).uniform(-1.0, 1.0, e.n_candidates) for k in numbers) * notional
        return [ho.Row(self.name, "USD", np.asarray(slope), self.bound, self.sign, eased=1e6)]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_planted_conflicts_of_any_size_are_found_among_loose_limits(size: int) -> None:
    planted = [Planted(number=k, bound=0.0, sign=1) for k in range(1, size)]
    planted.append(Planted(number=size, bound=1e5, sign=-1, parts=size - 1))
    loose = [Planted(number=k, bound=1e9, sign=1) for k in range(100, 106)]
    policy = ho.Policy(ho.TransactionCost(), [*loose[:3], *planted, *loose[3:]], candidates=POLICY.candidates,
                       scenarios=ho.ParametricScenarios(count=50), lots="ideal")  # fmt: skip
    elastic = Elastic(policy, expose(BOOK, MARKET, policy))
    (one,) = conflicts_of(elastic)
    assert set(one.limits) == {p.name for p in planted}
    assert max(one.witnesses.values()) <= 1e-6
