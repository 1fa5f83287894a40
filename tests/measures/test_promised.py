"""The promise of the tail: its interval and error against plain resampling, and every side recomputed by the verifier."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.promised import RecordCoverage, bootstrap_interval, cvar_error, unknown_error
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.program.promised import promise_of
from hedgeopt.reports.promised import coverage_sentence, promise_rows
from hedgeopt.verify import verify


@pytest.mark.parametrize(("count", "level"), [(400, 0.95), (2_000, 0.99), (1_050, 0.99)])
def test_the_interval_is_that_of_plain_resampling(count: int, level: float) -> None:
    rng = np.random.default_rng(1)
    losses = rng.standard_t(4, count)
    plain = [tail_loss(rng.choice(losses, count), level) for _ in range(1500)]
    low, high = bootstrap_interval(losses, level)
    spread = float(np.std(plain))
    assert low == pytest.approx(np.quantile(plain, 0.025), abs=0.2 * spread)
    assert high == pytest.approx(np.quantile(plain, 0.975), abs=0.25 * spread)
    assert cvar_error(losses, level) == pytest.approx(spread, rel=0.15)


def test_the_interval_covers_the_truth() -> None:
    """Normal losses, whose CVaR is known: phi(q) / (1 - beta)."""
    rng = np.random.default_rng(2)
    truth = 2.0627128  # 95 %
    inside = 0
    for n in range(200):
        low, high = bootstrap_interval(rng.normal(size=500), 0.95, seed=n)
        inside += low <= truth <= high
    assert 168 <= inside <= 198


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[ho.Book, ho.Market, ho.Policy]:
    folder = tmp_path_factory.mktemp("example")
    for name, text in example_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    policy = ho.read_policy(folder / "policy.toml")
    settings = policy.scenarios.model_copy(update={"count": 2_000})
    return ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv"), policy.with_scenarios(settings)


@pytest.fixture(scope="module")
def stored(given: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    proposal = given[2].model_copy(update={"lots": "ideal"}).propose(given[0], given[1])
    folder = tmp_path_factory.mktemp("promise")
    proposal.write(folder)
    return folder / "proposal.json", proposal


def test_fresh_draws_are_a_book_valued_under_another_seed(given: Any, stored: Any) -> None:
    _, proposal = stored
    promise = proposal.promise
    assert promise.in_sample == proposal.after.cvar["0.99"]
    assert promise.stress == -min(proposal.after.stress.values())
    assert promise.fresh_seed == given[2].scenarios.seed + 1
    after = ho.Book.model_validate(proposal.book_after)
    settings = given[2].scenarios.model_copy(update={"seed": promise.fresh_seed})
    e = expose(after, given[1], given[2].with_scenarios(settings), trades=False)
    assert promise.fresh == pytest.approx(tail_loss(-e.base_pnl, 0.99), rel=0.02)  # paid costs are other cash in coins
    assert promise.value == max(promise.in_sample, promise.fresh, promise.stress)


@pytest.mark.parametrize(("name", "factor"), [("in_sample", 0.9), ("fresh", 0.9), ("stress", 0.5), ("fresh_seed", 0)])
def test_the_verifier_knows_a_promise_that_is_not_so(
    given: Any, stored: Any, tmp_path: Path, name: str, factor: float
) -> None:
    path, _ = stored
    policy = given[2].model_copy(update={"lots": "ideal"})
    assert verify(path, given[0], given[1], policy).valid
    data = json.loads(path.read_text(encoding="utf-8"))
    told = data["promise"]
    told[name] = given[2].scenarios.seed if name == "fresh_seed" else told[name] * factor
    changed = tmp_path / "proposal.json"
    changed.write_text(json.dumps(data), encoding="utf-8")
    wrong = verify(changed, given[0], given[1], policy).wrong
    assert any("promise" in line for line in wrong)


def test_where_draws_are_none_no_error_is_told(given: Any) -> None:
    book, market, policy = given
    returns = {"BTC": np.linspace(-0.2, 0.2, 500), "ETH": np.linspace(-0.3, 0.25, 500)}
    e = expose(book, market, policy.with_scenarios(ho.given_returns(returns)), trades=False)
    promise = promise_of(book, market, policy.with_scenarios(ho.given_returns(returns)), e, np.zeros(0), {})
    assert promise is not None
    assert np.isnan([promise.error, promise.low, promise.fresh]).all()
    assert "as given" in promise.unknown
    assert promise.stress == 0.0
    assert [row[2] for row in promise_rows(promise)][:3] == ["not known", "not known", "none: the sample is not drawn"]
    assert "as given" in coverage_sentence(promise)
    assert "no record was given" in coverage_sentence(promise)
    assert unknown_error("parametric", False, 900) == "fewer than 10 scenarios lie beyond the 99 % quantile"
    assert unknown_error("parametric", True, 9_000)
    assert not unknown_error("regime", False, 9_000)


def test_coverage_is_said_as_people_say_it(stored: Any) -> None:
    _, proposal = stored
    found = RecordCoverage(
        "chains",
        "2026-01-01T00:00:00",
        "2026-03-01T00:00:00",
        0.99,
        1.0,
        830,
        9,
        8.3,
        0.73,
        1.4,
        2,
        "Options nearest in days",
    )
    told = coverage_sentence(replace(proposal.promise, coverage=found))
    assert told.startswith("This model's 99 % days were exceeded 9 times where 8.3 are expected (830 windows of 2026-01-01")
    again = replace(proposal, promise=replace(proposal.promise, coverage=found))
    assert ho.Proposal.from_json(again.to_json()).promise == again.promise
    assert "exceeded 9 times" in again.to_html()
    assert "no record was given" in proposal.to_html()
    none = replace(found, windows=0, hits=0, expected=0.0)
    assert "no window" in coverage_sentence(replace(proposal.promise, coverage=none))
