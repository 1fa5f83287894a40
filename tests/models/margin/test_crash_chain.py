"""Portfolio margin and stress survival on the recorded crash of 2026-02-05, a book of sixty positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.models.margin.effects import account_collateral, equity_after

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def crash(shared_data: Path) -> ho.Market:
    folder = shared_data / "deribit-chains"
    return ho.read_market(
        folder / "snapshot_crash_20260205.csv",
        folder / "perp_prices_6h_to_20260415.csv",
        folder / "dated_futures_marks_6h.parquet",
    )


@pytest.fixture(scope="module")
def sixty(crash: ho.Market) -> ho.Book:
    """A market maker's leftovers: 57 options in two coins, net short the wings, and three futures positions."""
    rng = np.random.default_rng(20260205)
    positions = [
        ho.Position(instrument="BTC-PERPETUAL", quantity=1_500_000.0),
        ho.Position(instrument="ETH-PERPETUAL", quantity=-400_000.0),
        ho.Position(instrument="BTC-27MAR26", quantity=-600_000.0),
    ]
    for coin, count, size in (("BTC", 35, 6.0), ("ETH", 22, 120.0)):
        items = [i for i in crash.instruments.values() if i.kind == "option" and i.underlying == coin]
        near = [
            i for i in items if 2 < 365 * i.years_from(crash.timestamp) < 120 and 0.6 < i.strike / crash.price(coin) < 1.6
        ]
        for at in rng.choice(len(near), count, replace=False):
            quantity = float(np.round(rng.normal(-0.25, 1.0) * size, 1)) or size
            positions.append(ho.Position(instrument=near[at].name, quantity=quantity))
    collateral = (ho.Collateral(asset="BTC", amount=30.0), ho.Collateral(asset="ETH", amount=200.0))
    account = ho.Account(name="main", venue="deribit", margin="portfolio", collateral=collateral, positions=tuple(positions))
    return ho.Book(name="sixty", accounts=(account,))


def test_the_book_has_sixty_positions_and_portfolio_margin_offsets(crash: ho.Market, sixty: ho.Book) -> None:
    from hedgeopt.measures.margin_report import margin_report

    assert sixty.n_positions == 60
    (item,) = margin_report(sixty, crash).accounts
    standard = sixty.model_copy(update={"accounts": (sixty.accounts[0].model_copy(update={"margin": "standard"}),)})
    (plain,) = margin_report(standard, crash).accounts
    assert 0 < item.now.initial < plain.now.initial  # the venue's selling point: a hedged book needs less
    assert item.now.maintenance == pytest.approx(0.8 * item.now.initial)
    assert set(item.breakdown) == {
        f"{coin} {part}" for coin in ("BTC", "ETH") for part in ("worst scenario", "roll shock", "delta shock")
    }


def test_stress_survival_binds_and_is_respected(crash: ho.Market, sixty: ho.Book) -> None:
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.SurviveStress(utilisation=0.8)],
        scenarios=ho.ParametricScenarios(count=100),
        candidates=ho.Candidates(mark_half_spread=0.0002, min_delta=0.1, max_days=120, max_relative_spread=0.1),
        lots="ideal",
    )
    answer = ho.solve(sixty, crash, policy)
    e = answer.exposures
    assert answer.proposal.certificate.valid

    def used(x: np.ndarray, k: int) -> float:
        need = e.margins.requirement(0, e.positions(x), account_collateral(e, 0, x), k).maintenance
        equity = equity_after(e, 0, x, k)
        return need / equity if equity > 0 else np.inf

    nothing = np.zeros(e.n_candidates)
    before = [used(nothing, k) for k in range(len(e.stress))]
    after = [used(answer.x, k) for k in range(len(e.stress))]
    assert max(before) > 0.8  # it would have been liquidated, or nearly
    assert max(after) == pytest.approx(0.8, rel=1e-6)  # and now is not, at least cost
    binding = answer.proposal.limits[answer.proposal.limits.binding]
    assert len(binding) >= 1
    assert (binding.shadow_price > 0).any()
