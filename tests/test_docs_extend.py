"""The recipes of docs/extend.md are run as they are printed."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints.constraint import Constraint
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin import rules
from hedgeopt.models.pricing.family import greek
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program


def section(repository: Path, title: str) -> types.ModuleType:
    """The code of a section as a module."""
    text = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    body = re.split(r"^## ", text.split(f"\n## {title}\n")[1], flags=re.M)[0]
    (code,) = re.findall(r"```python\n(.*?)```", body, flags=re.S)
    made = types.ModuleType(f"extend_{title.replace(' ', '_')}")
    exec(compile(code, f"docs/extend.md: {title}", "exec", dont_inherit=True), made.__dict__)
    return made


@pytest.fixture(scope="module")
def e(toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy) -> Exposures:
    return expose(toy_book, toy_market, toy_policy)


def solved(e: Exposures, *limits: Constraint) -> tuple[Program, Any]:
    """What the limits allow: policies take registered ones only, programs any."""
    program = Program(ho.Policy(minimize=ho.TransactionCost(), lots="ideal").model_copy(update={"subject_to": limits}), e)
    return program, solve_program(program, e)


def test_the_linear_limit_is_short_and_holds(repository: Path, e: Exposures) -> None:
    made = section(repository, "A constraint")
    bought = ho.Vega("BTC") >= 0.0
    _, free = solved(e, bought)
    spent = float(e.rows.value[e.candidate] @ free.trades)
    assert spent > 1_000.0
    budget = made.PremiumBudget(usd=0.9 * spent)
    _, tight = solved(e, bought, budget)
    assert tight.certificate.valid
    side = tight.sides[-1]
    assert (side.name, side.unit, side.limit) == ("premium budget", "USD", 0.9 * spent)
    assert side.value == pytest.approx(float(e.rows.value[e.candidate] @ tight.trades)) == pytest.approx(0.9 * spent)
    assert side.dual > 0.0  # USD of cost saved by one more dollar of premium
    with pytest.raises(ho.InfeasibleError, match="no trade list meets every limit"):
        solved(e, bought, ho.Vega("BTC") >= 1e6, budget)
    text = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    lines = text.split("class PremiumBudget")[1].split("```")[0].strip().splitlines()
    assert len([line for line in lines if line.strip()]) <= 15


def test_the_term_is_limited_from_below(repository: Path, e: Exposures) -> None:
    made = section(repository, "A term")
    term = made.OptionValue()
    held = float(e.rows.value @ np.where([i.nature.option for i in e.rows.instruments], e.rows.quantity, 0.0))
    assert held < 0.0
    limit = ho.Limit.model_construct(term=term, lower=0.9 * held, upper=None, kind="limit")
    program, answer = solved(e, limit)
    assert answer.certificate.valid
    assert answer.sides[0].value == pytest.approx(0.9 * held, rel=1e-6)
    assert dict(program.bound_terms())[term].size(e, answer.trades) > abs(held)


def test_the_convex_term_is_minimised_limited_and_proven(repository: Path, e: Exposures) -> None:
    term = section(repository, "A term that is convex and not linear").VegaNorm()
    expiries = sorted({str(item.expiry) for item in e.rows.instruments if item.nature.option})
    vega = e.rows.greeks[greek("vega")].sum(axis=1)

    def by_hand(x: np.ndarray) -> float:
        after = vega * e.positions(x)
        lines = [
            [v for v, i in zip(after, e.rows.instruments, strict=True) if str(getattr(i, "expiry", "")) == day]
            for day in expiries
        ]
        return float(np.sqrt(sum(sum(line) ** 2 for line in lines)))

    before = by_hand(np.zeros(e.n_candidates))
    limit = ho.Limit.model_construct(term=term, lower=None, upper=0.5 * before, kind="limit")
    program, answer = solved(e, limit)
    assert answer.certificate.valid
    assert by_hand(answer.trades) == pytest.approx(answer.sides[0].value) == pytest.approx(0.5 * before, rel=1e-5)
    assert answer.sides[0].dual > 0.0
    bound, rng = dict(program.bound_terms())[term], np.random.default_rng(8)
    below = bound.minorant(e, answer.trades, {})
    assert below(answer.trades) == pytest.approx(bound.evaluate(e, answer.trades))
    for x in rng.normal(scale=20.0, size=(20, e.n_candidates)):
        assert below(x) <= bound.evaluate(e, x) <= bound.size(e, x)
    assert not term.by_candidate


def test_the_margin_rule_is_solved_with(
    repository: Path, toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = section(repository, "A margin rule")
    monkeypatch.setitem(rules.MODELS, "flat", lambda option: made.Flat())
    positions = (ho.Position(instrument="BTC-PERPETUAL", quantity=-9_000_000.0),)
    collateral = (ho.Collateral(asset="BTC", amount=5.0),)
    main = toy_book.accounts[0].model_copy(update={"margin": "flat", "positions": positions, "collateral": collateral})
    book = toy_book.model_copy(update={"accounts": (main,)})
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.MarginUtilisation(limit=1.0)],
        scenarios=ho.ParametricScenarios(count=20),
        candidates=ho.Candidates(kinds=("perpetual",)),
        lots="ideal",
    )
    answer = policy.propose(book, toy_market)
    assert answer.certificate.valid
    # 450,000 are needed against 400,000: the position shrinks to 8m less what closing costs
    (row,) = answer.limits.itertuples()
    assert row.before == pytest.approx(450_000.0, rel=1e-3)
    assert row.after == pytest.approx(row.bound) == pytest.approx(400_000.0)


def test_a_column_comes_through_the_file_and_older_files_open(
    repository: Path, toy_book: ho.Book, toy_market: ho.Market, toy_policy: ho.Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hedgeopt.program import assemble, proposal, proposal_schema
    from hedgeopt.reports.proposal_csv import proposal_csv

    made = section(repository, "A column of a report or command")
    older = ho.propose(toy_book, toy_market, toy_policy).to_json()
    trades = assemble.trades_table
    lots = {}

    def with_lots(e: Exposures, x: np.ndarray) -> Any:
        monkeypatch.delitem(proposal.TRADES, "lots")
        frame = trades(e, x)
        monkeypatch.setitem(proposal.TRADES, "lots", "number")
        frame["lots"] = frame["quantity"] / 0.1
        lots["told"] = frame["lots"].tolist()
        return frame

    monkeypatch.setitem(proposal.TRADES, "lots", "number")
    monkeypatch.setattr(assemble, "trades_table", with_lots)
    new = proposal_schema.SCHEMA + 1
    monkeypatch.setattr(proposal_schema, "SCHEMA", new)
    monkeypatch.setattr(proposal, "SCHEMA", new)
    monkeypatch.setitem(proposal_schema._TO_NEXT, new - 1, made._third)
    answer = ho.propose(toy_book, toy_market, toy_policy)
    again = ho.Proposal.from_json(answer.to_json())
    assert again.trades["lots"].tolist() == lots["told"] != []
    assert again == answer
    assert proposal_csv(again)["trades.csv"].startswith("account,instrument,side,quantity,")
    assert "lots" in proposal_csv(again)["trades.csv"].split("\n")[0]
    opened = ho.Proposal.from_json(older)
    assert opened.trades["lots"].isna().all()
    assert ho.Proposal.from_json(opened.to_json()) == opened
    stored = (repository / "tests" / "program" / "stored" / "1" / "network.json").read_text()
    assert len(ho.Proposal.from_json(stored).trades)
