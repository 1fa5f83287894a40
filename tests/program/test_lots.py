"""Whole lots: against every list of lots there is, on the packaged example with the verifier, and what cannot be done."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import InfeasibleError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certificate import FEASIBILITY, relative_violation
from hedgeopt.program.certified import solve_program
from hedgeopt.program.lots import in_whole_lots, rounded
from hedgeopt.program.program import Program
from hedgeopt.verify import verify

NAMES = ("BTC-27MAR26-88000-C", "BTC-27MAR26-72000-P", "ETH-26JUN26-3000-C")


def policy_of(**given: Any) -> ho.Policy:
    options: dict[str, Any] = {
        "minimize": ho.TransactionCost() + 0.5 * ho.CVaR(0.95),
        "subject_to": [ho.OrderLimit(notional=4e6)],
        "candidates": ho.Candidates(names=NAMES, min_delta=0.01),
        "scenarios": ho.ParametricScenarios(count=200, seed=3),
        "lots": "whole",
        "lot_gap": 0.09,
    }
    return ho.Policy(**options | given)


def with_steps(e: Exposures, lot: Any, least: float | None = None) -> Exposures:
    """The same with these lots and smallest orders for everything."""
    lots = np.broadcast_to(np.asarray(lot, float), len(e.rows)).copy() if np.ndim(lot) == 0 else np.zeros(len(e.rows))
    if np.ndim(lot):
        lots[:] = np.nan
        lots[e.candidate] = lot
    return replace(e, rows=replace(e.rows, lot=lots, minimum_size=lots if least is None else np.full(len(e.rows), least)))


@pytest.mark.parametrize(("coarse", "least"), [(8.0, None), (20.0, None), (5.0, 25.0), (45.0, None)])
def test_the_best_list_of_all_lists_in_lots(toy_book: ho.Book, toy_market: ho.Market, coarse: float, least: float) -> None:
    policy = policy_of(subject_to=[ho.OrderLimit(notional=4e6), ho.Vega("BTC").within(-6_000, 6_000)])
    e = expose(toy_book, toy_market, policy)
    lot = np.where(e.rows.index[e.candidate] > 10_000, coarse, 12 * coarse)
    e = with_steps(e, lot, least)
    program = Program(policy, e)
    solution = solve_program(program, e)
    assert in_whole_lots(e, solution.trades).all()
    assert solution.certificate.feasible
    span = [np.arange(-1, 14) for _ in lot]
    found = []
    for counts in itertools.product(*span):
        x = lot * np.array(counts)
        if (x < solution.box.lower).any() or (x > solution.box.upper).any() or not in_whole_lots(e, x).all():
            continue
        if all(relative_violation(side) <= FEASIBILITY for side in program.sides(e, x)):
            found.append(program.objective_value(e, x))
    assert solution.certificate.objective <= min(found) * (1 + 0.3 * policy.lot_gap)
    assert solution.certificate.lower_bound <= min(found)
    ideal = solve_program(Program(policy_of(lots="ideal", subject_to=policy.subject_to), e), e).certificate
    assert solution.certificate.lower_bound >= ideal.lower_bound * (1 - 1e-6)
    cost = solution.certificate.objective - ideal.objective
    assert cost >= -1e-6 * abs(ideal.objective)
    assert solution.certificate.lots_cost == pytest.approx(cost, abs=1e-4 * abs(ideal.objective))
    assert solution.certificate.lots_cost_at_most >= solution.certificate.lots_cost
    assert solution.certificate.ideal_lower_bound == pytest.approx(ideal.lower_bound, rel=1e-6)
    assert bool(solution.certificate.missing) is not solution.certificate.valid


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ho.Book, ho.Market, ho.Policy, ho.Proposal]:
    folder = tmp_path_factory.mktemp("example")
    for name, text in ho.example_files().items():
        (folder / name).write_text(('lots = "whole"\n' if name == "policy.toml" else "") + text)
    book, market = ho.read_book(folder / "book.json"), ho.read_market(folder / "market.csv")
    policy = ho.read_policy(folder / "policy.toml")
    assert policy.lots == "whole"
    proposal = policy.propose(book, market)
    proposal.write(folder)
    return folder, book, market, policy, proposal


def test_the_packaged_example_in_whole_lots_is_proven_and_verified(example: Any) -> None:
    folder, book, market, policy, proposal = example
    certificate = proposal.certificate
    assert certificate.valid
    assert (certificate.tolerance, certificate.lot_gap) == (policy.tolerance, policy.lot_gap)
    freely = policy.model_copy(update={"lots": "ideal"}).propose(book, market)
    ideal = freely.certificate.objective
    assert certificate.ideal_objective == pytest.approx(ideal, abs=1e-5)
    assert certificate.ideal_trades == len(freely.trades)
    assert certificate.gap <= 1e-3
    assert 0 < certificate.objective - ideal < 0.005 * ideal
    assert certificate.lower_bound == pytest.approx(ideal, rel=1e-6)
    for row in proposal.trades.itertuples():
        lot = 0.1 if row.instrument.startswith("BTC") else 1.0
        assert row.quantity / lot == pytest.approx(round(row.quantity / lot), abs=1e-9), row
        assert len(repr(float(row.quantity)).partition(".")[2]) == 1, row  # as one would type it
    verdict = verify(folder / "proposal.json", book, market, policy)
    assert verdict.valid, verdict
    assert ho.read_proposal(folder / "proposal.json") == proposal


def test_the_verifier_refuses_a_trade_between_lots(example: Any, tmp_path: Path) -> None:
    from hedgeopt.program.proposal_schema import sealed

    folder, book, market, policy, _ = example
    data = json.loads((folder / "proposal.json").read_text())
    row = data["trades"][0] if isinstance(data["trades"], list) else None
    if row is None:
        pytest.skip("trades are stored by column")
    row["quantity"] += 0.05
    (tmp_path / "proposal.json").write_text(json.dumps(sealed({k: v for k, v in data.items() if k != "seal"})))
    verdict = verify(tmp_path / "proposal.json", book, market, policy)
    assert verdict.exit_code == 3
    assert any("no whole number of lots" in line for line in verdict.broken), verdict


def test_an_unknown_lot_is_refused_by_name(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = policy_of()
    e = expose(toy_book, toy_market, policy)
    with pytest.raises(InputError, match="has no known lot") as refused:
        solve_program(Program(policy, e), with_steps(e, np.nan))
    assert any(name in str(refused.value) for name in NAMES)
    assert 'lots = "ideal"' in str(refused.value)


def test_lots_that_make_a_limit_impossible_name_it_and_the_nearest_list(toy_book: ho.Book, toy_market: ho.Market) -> None:
    vega = ho.Vega("BTC").within(-100, 100)
    one = ho.Candidates(names=NAMES[:1], min_delta=0.01)
    policy = policy_of(minimize=ho.TransactionCost(), subject_to=[vega, ho.OrderLimit(notional=4e7)], candidates=one)
    e = with_steps(expose(toy_book, toy_market, policy), 37.0)
    with pytest.raises(InfeasibleError, match="no list in whole lots exists") as refused:
        solve_program(Program(policy, e), e)
    assert "vega BTC" in str(refused.value)
    assert any(name in str(refused.value) for name in NAMES)


def test_a_list_too_far_from_the_ideal_is_given_and_not_valid(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgeopt.program.lots.whole.exactly_posed", lambda *_: False)  # no bound beside the ideal's
    policy = policy_of(lot_gap=1e-6)
    e = with_steps(expose(toy_book, toy_market, policy), 30.0)
    solution = solve_program(Program(policy, e), e)
    certificate = solution.certificate
    assert in_whole_lots(e, solution.trades).all()
    assert (certificate.feasible, certificate.optimal, certificate.valid) == (True, False, False)
    assert "lot_gap allows 0.00%" in certificate.missing
    assert 'set lots = "ideal"' in certificate.missing


def test_a_lot_larger_than_the_limit_trades_nothing(toy_book: ho.Book, toy_market: ho.Market) -> None:
    policy = policy_of()
    e = expose(toy_book, toy_market, policy)
    ideal = solve_program(Program(policy_of(lots="ideal"), e), e).certificate
    solution = solve_program(Program(policy, e), with_steps(e, 1e5))
    assert not solution.trades.any()
    assert solution.certificate.objective >= ideal.objective


@pytest.mark.parametrize("given", [{"lots": "half"}, {"lot_gap": 0.0}, {"lot_gap": 0.1}, {"lot_gap": np.nan}])
def test_odd_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        policy_of(**given)


def test_limits_that_count_trades_hold_on_the_best_list_of_all(toy_book: ho.Book, toy_market: ho.Market) -> None:
    some = ho.Candidates(names=(*NAMES[:2], "BTC-27MAR26-80000-C"), min_delta=0.01)
    least = ho.MinTrade(usd=2e6)
    for rules in ([ho.MaxTrades(most=1)], [ho.MaxNewInstruments(most=0)], [least], [ho.MaxTrades(most=2), least]):
        policy = policy_of(lots="ideal", subject_to=[ho.OrderLimit(notional=6e6), *rules], candidates=some)
        assert policy.whole
        e = with_steps(expose(toy_book, toy_market, policy), 12.0)
        program = Program(policy, e)
        solution = solve_program(program, e)
        owned = {item.id for item, q in zip(e.rows.instruments, e.rows.quantity, strict=True) if q}
        value = {}
        for counts in itertools.product(range(-6, 7), repeat=e.n_candidates):
            x = 12.0 * np.array(counts)
            traded = np.flatnonzero(x)
            kept = {
                "max_trades": len(traded) <= min(getattr(rule, "most", 9) for rule in rules),
                "max_new_instruments": {e.rows.instruments[e.candidate[i]].id for i in traded} <= owned,
                "min_trade": not (np.abs(x[traded]) * e.rows.notional[e.candidate[traded]] < 2e6).any(),
            }
            inside = (x <= solution.box.upper).all() and (x >= solution.box.lower).all()
            if inside and all(kept[rule.kind] for rule in rules):
                value[counts] = program.objective_value(e, x)
        counted = tuple(np.round(solution.trades / 12.0).astype(int).tolist())
        assert counted in value, rules
        assert solution.certificate.objective <= min(value.values()) * (1 + 0.3 * policy.lot_gap), rules


def test_few_trades_of_the_packaged_example_are_counted_and_verified(example: Any, tmp_path: Path) -> None:
    _, book, market, policy, _ = example
    few = policy.model_copy(
        update={"subject_to": (*policy.subject_to, ho.MaxTrades(most=12), ho.MinTrade(usd=20_000.0)), "lot_gap": 0.05}
    )
    proposal = few.propose(book, market)
    assert len(proposal.trades) <= 12
    assert proposal.trades.notional.min() >= 20_000.0
    assert proposal.certificate.valid
    proposal.write(tmp_path)
    assert verify(tmp_path / "proposal.json", book, market, few).valid
    fewer = policy.model_copy(update={"subject_to": (*policy.subject_to, ho.MaxTrades(most=3)), "lot_gap": 0.05})
    from hedgeopt.verify.lots import not_whole

    e = expose(book, market, fewer)
    x = np.zeros(e.n_candidates)
    for row in proposal.trades.itertuples():
        at = next(i for i, k in enumerate(e.candidate) if e.rows.instruments[k].name == row.instrument)
        x[at] = row.quantity * (1 if row.side == "buy" else -1)
    lines = list(not_whole(fewer.model_dump(mode="json"), e, market, x))
    assert lines == [f"number of trades: {len(proposal.trades)} against 3"]


@pytest.mark.parametrize("given", [{"most": -1}, {"most": 1.5}])
def test_a_limit_on_trades_is_a_whole_number(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="most"):
        ho.MaxTrades(**given)
    with pytest.raises(InputError, match="usd"):
        ho.MinTrade(usd=0.0)


def test_what_is_not_to_be_traded_is_not_traded_held_or_not(toy_book: ho.Book, toy_market: ho.Market) -> None:
    free = policy_of().propose(toy_book, toy_market)
    first = str(free.trades.instrument.iloc[0])
    names = tuple(name for name in NAMES if name != first)
    policy = policy_of(candidates=ho.Candidates(names=NAMES, min_delta=0.01, do_not_trade=(first,)))
    e = expose(toy_book, toy_market, policy)
    assert {e.rows.instruments[row].name for row in e.candidate} == set(names)
    assert first not in set(policy.propose(toy_book, toy_market).trades.instrument)
    seen = expose(
        toy_book, toy_market, policy_of(candidates=ho.Candidates(names=NAMES, do_not_trade=("BTC-27MAR26-8800-C",)))
    )
    assert any("do_not_trade: 'BTC-27MAR26-8800-C' matches no instrument" in note for note in seen.notes)


def test_the_ideal_rounded_is_judged_whatever_a_search_finds(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policy_of(lot_gap=1e-4)
    e = with_steps(expose(toy_book, toy_market, policy), 0.1)
    program = Program(policy, e)
    ideal = solve_program(program, e, lots="none").trades
    nearest = rounded(e, ideal, np.round)
    best = program.objective_value(e, nearest)
    nothing = np.zeros_like(ideal)
    assert program.objective_value(e, nothing) > best
    monkeypatch.setattr("hedgeopt.program.lots.whole.quick_list", lambda *_, **__: nothing)
    found = solve_program(program, e, lots="quick")
    assert found.certificate.objective <= best * (1 + 1e-12)


def test_integers_count_from_the_ideal_rounded_and_not_far_from_there(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scipy.optimize

    seen: list[float] = []
    milp = scipy.optimize.milp

    def spy(c: Any, *, integrality: Any, bounds: Any, **rest: Any) -> Any:
        whole = np.asarray(integrality) == 1
        seen.append(float(np.abs(np.concatenate([bounds.lb[whole], bounds.ub[whole]])).max()))
        return milp(c, integrality=integrality, bounds=bounds, **rest)

    monkeypatch.setattr("scipy.optimize.milp", spy)
    policy = policy_of(lot_gap=1e-9, subject_to=[ho.OrderLimit(notional=4e6), ho.Vega("BTC").within(-6_000, 6_000)])
    e = with_steps(expose(toy_book, toy_market, policy), 1e-5)
    program = Program(policy, e)
    found = solve_program(program, e, lots="quick")
    assert in_whole_lots(e, found.trades).all()
    assert np.abs(found.trades).max() / 1e-5 > 1e5
    assert seen
    assert max(seen) < 1e4


def test_a_search_has_every_trade_of_the_ideal(
    toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hedgeopt.program.lots.choice import choose

    monkeypatch.setattr("hedgeopt.program.lots.choice._MOST", 1)
    policy = policy_of()
    e = with_steps(expose(toy_book, toy_market, policy), 0.1)
    program = Program(policy, e)
    ideal = solve_program(program, e, lots="none")
    traded = set(np.flatnonzero(ideal.trades).tolist())
    assert len(traded) > 1
    assert traded <= set(choose(program, e, ideal, ideal.box, dict(ideal.tails), 20, True).at.tolist())


def test_a_list_beyond_lot_gap_is_told_as_that_and_not_as_a_wrong_number() -> None:
    from types import SimpleNamespace

    from hedgeopt.verify.told_numbers import told_numbers

    policy = {"lots": "whole", "lot_gap": 0.005, "tolerance": 1e-6, "minimize": [{"weight": 1.0}]}
    certificate = {"objective": 100.0, "lower_bound": 97.0, "gap": 0.03, "tolerance": 1e-6, "worst_violation": 0.0,
                   "lot_gap": 0.005, "feasible": True, "optimal": True}  # fmt: skip
    claim: Any = SimpleNamespace(certificate=certificate, number=lambda where, name, _: float(where[name]))
    wrong: list[str] = []
    told_numbers(claim, wrong, 100.0, 100.0, policy)
    assert wrong == ["the gap of 3.000e-02 is above the policy's lot_gap of 0.005: the list is not valid"]
    wrong.clear()
    told_numbers(claim, wrong, 100.0, 100.0, policy | {"lot_gap": 0.04})
    assert not any("gap of 3" in line for line in wrong)
