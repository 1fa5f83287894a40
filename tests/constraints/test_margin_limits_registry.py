"""What every convex constraint promises: DPP, named sides that follow the constraints, a true lower bound."""

from __future__ import annotations

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.constraint import BoxConstraint
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.box import trade_box
from hedgeopt.program.program import Program
from tests.registry.examples import constraint_example

KINDS = [kind for kind, spec in CONSTRAINTS.items() if not issubclass(spec, BoxConstraint)]


@pytest.fixture(scope="module")
def linked(toy_book: ho.Book, toy_market: ho.Market) -> Exposures:
    main = toy_book.accounts[0].model_copy(update={"margin": "portfolio"})
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=50.0),))
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-4)
    book = toy_book.model_copy(update={"accounts": (main, spare), "links": (link,)})
    policy = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=20), lots="ideal")
    return expose(book, toy_market, policy)


@pytest.mark.parametrize("kind", KINDS)
def test_convex_constraint_keeps_its_promises(kind: str, linked: Exposures) -> None:
    e = linked
    spec = constraint_example(kind)
    assert spec.source
    assert spec.name
    policy = ho.Policy(
        minimize=ho.TransactionCost(), subject_to=[spec], scenarios=ho.ParametricScenarios(count=20), lots="ideal"
    )
    program = Program(policy, e)
    box = trade_box(policy, e)
    program.update(e, box)
    assert program.problem.is_dcp(dpp=True)
    limit = program.limits[0]
    assert len(limit.sides(e, np.zeros(e.n_candidates))) == len(limit.constraints)
    rng = np.random.default_rng(31)
    for row in limit.constraints:  # any duals give a true bound
        row.dual_variables[0].save_value(np.array(rng.exponential()))
    at = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < 0.3)
    below = limit.minorant(e, at, {})
    for _ in range(10):
        x = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < rng.uniform(0.1, 1.0))
        priced = sum(side.dual * side.violation for side in limit.sides(e, x))
        scale = max(1.0, sum(side.dual * abs(side.limit) for side in limit.sides(e, x)), abs(priced))
        assert below(x) <= priced + 1e-9 * scale


def test_constraints_round_trip_through_toml(linked: Exposures, tmp_path) -> None:
    rules = [
        ho.MarginUtilisation(limit=0.6, buffer=1_000.0),
        ho.SurviveStress(scenarios=("2020-03-12",), health_factor=1.1),
        ho.TransferLimit(usd=5e5, bridge="across"),
        ho.Concentration(by="venue", of="deribit") <= 0.5,
        ho.TrueLeverage() <= 4,
        ho.NetLeverage(underlying="BTC").within(-1, 1),
    ]
    policy = ho.Policy(minimize=ho.TransactionCost(), subject_to=rules, lots="ideal")
    path = tmp_path / "policy.toml"
    path.write_text(policy.to_toml())
    assert ho.read_policy(path) == policy
