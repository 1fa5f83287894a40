"""Standard margin that binds: size ramps are approximated, and what comes out is exact and proven by the first solver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.constraint import Constraint
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.term import account_requirement
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program
from hedgeopt.program.solution import Solution


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[ho.Book, ho.Market, ho.Policy]:
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        (folder / name).write_text(text)
    policy = ho.read_policy(folder / "policy.toml").model_copy(update={"lots": "ideal"})
    return ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv"), policy


def with_margin(policy: ho.Policy, *limits: Constraint) -> ho.Policy:
    """The policy with other margin limits."""
    others = [spec for spec in policy.subject_to if spec.kind != "margin_utilisation"]
    return policy.model_copy(update={"subject_to": (*others, *limits)})


def by_first_solver(program: Program, e: Exposures) -> Solution:
    """The solution, which the first solver must have found."""
    found = solve_program(program, e)
    (attempt,) = found.statistics["attempts"]
    assert attempt["status"] == "certified"
    assert found.certificate.gap <= program.policy.tolerance
    return found


def binds(found: Solution, e: Exposures, share: float) -> None:
    """Initial margin by the plain rule is what the limit allows of equity after costs."""
    (side,) = [side for side in found.sides if side.name.startswith("initial margin")]
    assert side.dual > 0
    assert side.value == pytest.approx(side.limit, rel=1e-6)
    need = account_requirement(e, 0, e.positions(found.trades), "initial")
    assert need <= share * float(e.equity[0])


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_near_expiries_only(example: tuple[ho.Book, ho.Market, ho.Policy], share: float) -> None:
    book, market, policy = example
    policy = with_margin(policy, ho.MarginUtilisation(limit=share)).model_copy(update={"candidates": near(policy)})
    e = expose(book, market, policy)
    binds(by_first_solver(Program(policy, e), e), e, share)


def near(policy: ho.Policy) -> ho.Candidates:
    """The policy's candidates up to 100 days and not far out of the money."""
    return policy.candidates.model_copy(update={"max_days": 100.0, "min_delta": 0.05})


@pytest.mark.parametrize(
    ("all_expiries", "share", "premium"), [(True, 0.65, 0.0), (True, 0.65, -200_000.0), (False, 0.6, 0.0)]
)
def test_with_a_limit_of_the_users_own(
    example: tuple[ho.Book, ho.Market, ho.Policy], all_expiries: bool, share: float, premium: float
) -> None:
    book, market, policy = example
    candidates = policy.candidates if all_expiries else near(policy)
    policy = with_margin(policy, ho.MarginUtilisation(limit=share)).model_copy(update={"candidates": candidates})
    e = expose(book, market, policy)
    program = Program(policy, e)
    program.extend(e.rows.value[e.candidate] / 1e5 @ program.trades <= premium / 1e5)
    found = by_first_solver(program, e)
    binds(found, e, share)
    assert float(e.rows.value[e.candidate] @ found.trades) <= premium + 1e-3


def test_the_bound_of_a_square_touches_it_and_stays_below(example: tuple[ho.Book, ho.Market, ho.Policy]) -> None:
    book, market, policy = example
    policy = with_margin(policy, ho.MarginUtilisation(limit=0.5))
    e = expose(book, market, policy)
    program = Program(policy, e)
    (margin,) = [limit for limit in program.limits if limit.sides(e, np.zeros(e.n_candidates))[0].name.startswith("initial")]
    by_first_solver(program, e)
    rng = np.random.default_rng(3)
    at = rng.normal(size=e.n_candidates) * 100.0
    below = margin.minorant(e, at, {})
    (side,) = margin.sides(e, at)
    assert below(at) == pytest.approx(side.dual * side.violation, rel=1e-9)
    for _ in range(200):
        other = at + rng.normal(size=len(at)) * rng.choice([1e-3, 1.0, 100.0]) * (rng.random(len(at)) < 0.3)
        (side,) = margin.sides(e, other)
        assert below(other) <= side.dual * side.violation + 1e-9 * (1.0 + abs(side.dual * side.violation))


@pytest.mark.realdata
@pytest.mark.parametrize("share", [0.25, 0.3, 0.4, 0.5])
def test_crash_day_with_a_bare_margin_term(shared_data: Path, share: float) -> None:
    chains = shared_data / "deribit-chains"
    market = ho.read_market(chains / "snapshot_crash_20260205.csv", chains / "perp_prices_6h_to_20260415.csv")
    policy = ho.Policy(
        minimize=ho.TransactionCost() + ho.Carry() + 0.05 * ho.CVaR(0.99),
        subject_to=[
            ho.Delta("BTC").within(-20, 20),
            ho.Delta("ETH").within(-300, 300),
            ho.Vega("BTC").within(-15_000, 15_000),
            ho.GrossLeverage() <= 6,
            ho.Margin("deribit") <= share,
            ho.OrderLimit(notional=5_000_000),
        ],
        candidates=ho.Candidates(mark_half_spread=0.0002, min_delta=0.05, max_relative_spread=0.25),
        scenarios=ho.ParametricScenarios(count=2000, seed=11),
        lots="ideal",
    )
    book = strangles(market)
    e = expose(book, market, policy)
    by_first_solver(Program(policy, e), e)


def strangles(market: ho.Market) -> ho.Book:
    """Short four options at three tenors of either coin, on standard margin."""
    sizes: dict[str, float] = {}
    options = [item for item in market.instruments.values() if item.kind == "option"]
    for coin, size in (("BTC", 40.0), ("ETH", 600.0)):
        for days in (8, 22, 50):
            for ratio, right in ((0.85, "put"), (0.95, "put"), (1.05, "call"), (1.15, "call")):

                def far(item: ho.Option, coin: str = coin, days: int = days, ratio: float = ratio) -> float:
                    tenor = abs(365 * item.years_from(market.timestamp) / days - 1)
                    return tenor + 5 * abs(item.strike / market.price(coin) - ratio)

                name = min((o for o in options if o.underlying == coin and o.right == right), key=far).name
                sizes[name] = sizes.get(name, 0.0) - size
    posted = (ho.Collateral(asset="BTC", amount=150.0), ho.Collateral(asset="ETH", amount=1500.0))
    held = tuple(ho.Position(instrument=name, quantity=size) for name, size in sizes.items())
    return ho.Book(
        accounts=(ho.Account(name="main", venue="deribit", margin="standard", collateral=posted, positions=held),)
    )
