"""Greeks, tails and stress of one strategy: as a book of its accounts alone, under limits, and verified."""

from __future__ import annotations

import io
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.bound import TradeVariables
from hedgeopt.models.risk.cvar import ScopedPnl
from hedgeopt.models.scope import scope_of
from hedgeopt.reports.tags import tag_grid
from hedgeopt.verify import claim_of, judge
from hedgeopt.verify.measures import measure

FILES = example_files()
MARKET = ho.read_market(io.StringIO(FILES["market.csv"]))
ONE = ho.read_book(io.StringIO(FILES["book.json"])).accounts[0]


def part(name: str, times: float, *tags: str, skip: int = 0) -> ho.Account:
    held = [p.model_copy(update={"quantity": p.quantity * times}) for p in ONE.positions[skip:]]
    return ONE.model_copy(update={"name": name, "positions": tuple(held), "tags": tags})


BOOK = ho.Book(
    accounts=[part("a", 1.0, "vol"), part("b", -0.5, "basis", "desk 2", skip=2), part("c", 0.3, "vol", "desk 2", skip=1)],
    links=[ho.Link(source="a", target="b", asset="BTC"), ho.Link(source="c", target="a", asset="BTC")],
)
TERMS: tuple[Any, ...] = (
    lambda of: ho.Delta("BTC", of=of),
    lambda of: ho.Delta("ETH", of=of, include_collateral=False),
    lambda of: ho.Gamma("BTC", of=of),
    lambda of: ho.Vega("BTC", of=of),
    lambda of: ho.VegaBucket("BTC", 30.0, of=of),
    lambda of: ho.CVaR(0.9, of=of),
    lambda of: ho.StressLoss("2020-03-12", of=of),
    lambda of: ho.StressLoss("2020-03-12", of=of, include_unwind=True),
    lambda of: ho.Variance(of=of),
    lambda of: ho.GrossLeverage(of=of),
    lambda of: ho.GrossLeverage(basis="notional", underlying="BTC", of=of),
    lambda of: ho.NetLeverage(of=of),
    lambda of: ho.NetLeverage(underlying="BTC", of=of),
)


def policy(*limits: Any, **more: Any) -> ho.Policy:
    scenarios = ho.ParametricScenarios(count=60, vol={"BTC": 0.6, "ETH": 0.7})
    return ho.Policy(minimize=ho.TransactionCost(), subject_to=limits, scenarios=scenarios, **more, lots="ideal")


def exposures(book: ho.Book, numeraire: str | None = None, **options: Any) -> Any:
    return expose(book, MARKET, policy(numeraire=numeraire), **options)


def value(term: Any, e: Any, x: np.ndarray) -> float:
    bound = term.bind(TradeVariables(cp.Variable(e.n_candidates), cp.Variable(e.n_candidates)), e)
    return float(bound.evaluate(e, x))


@pytest.mark.parametrize("numeraire", [None, "BTC"])
@pytest.mark.parametrize(("of", "names"), [(("vol",), "ac"), (("desk*",), "bc"), (("a", "basis"), "ab"), (("*",), "abc")])
def test_a_strategy_is_the_book_of_its_accounts(of: tuple[str, ...], names: str, numeraire: str | None) -> None:
    """After trades and transfers too; by the terms, and by the verifier's own formulas."""
    e = exposures(BOOK, numeraire)
    own = exposures(ho.Book(accounts=[a for a in BOOK.accounts if a.name in names]), numeraire)
    rng = np.random.default_rng(1)
    x = np.where(rng.random(e.n_candidates) < 0.1, rng.normal(size=e.n_candidates), 0.0)
    x[e.links.candidate] = 0.0
    sent = x.copy()
    sent[e.links.candidate] = 0.25, 0.5
    for make in TERMS:
        term = make(of)
        rule = term.model_dump(mode="json")
        before = value(term, e, np.zeros_like(x))
        assert before == pytest.approx(value(make(()), own, np.zeros(own.n_candidates)), rel=1e-9, abs=1e-7), term.name
        for at in (np.zeros_like(x), x, sent):
            assert measure(rule, e, at, ()).value == pytest.approx(value(term, e, at), rel=1e-9, abs=1e-7), term.name
        assert term.name.endswith(f" of {', '.join(of)}")
    whole = [value(make(("*",)), e, sent) for make in TERMS]
    assert whole == pytest.approx([value(make(()), e, sent) for make in TERMS], rel=1e-9, abs=1e-7)


def test_what_is_sent_leaves_one_strategy_and_enters_another() -> None:
    e = exposures(BOOK)
    x = np.zeros(e.n_candidates)
    x[e.links.candidate[0]] = 0.5
    out, into = (value(ho.Delta("BTC", of=of), e, x) - value(ho.Delta("BTC", of=of), e, 0 * x) for of in (("a",), ("b",)))
    assert (out, into) == (pytest.approx(-0.5), pytest.approx(0.5))
    fall = e.stress_prices[0, e.asset("BTC")] - e.price("BTC")
    loss = ho.StressLoss(e.stress[0], of=("b",))
    assert value(loss, e, x) - value(loss, e, 0 * x) == pytest.approx(-0.5 * fall)


@pytest.mark.parametrize("numeraire", [None, "BTC"])
def test_limits_of_the_firm_and_of_each_strategy(numeraire: str | None) -> None:
    unit = 1.0 if numeraire is None else MARKET.price("BTC")
    rules = policy(
        ho.Delta("BTC").within(-8.0, 8.0),
        ho.Delta("BTC", of=("vol",)).within(-3.0, 3.0),
        ho.Delta("BTC", of=("basis",)).within(-1.0, 1.0),
        ho.CVaR(0.9, of=("vol",)) <= 4_000_000.0 / unit,
        candidates={"transfers": False},
        numeraire=numeraire,
    )
    proposal = ho.propose(BOOK, MARKET, rules)
    told = {one.tag: one for one in proposal.after.tags}
    assert list(told) == ["vol", "basis", "desk 2", "all"]
    assert abs(told["vol"].greeks["BTC"]["delta"]) <= 3.0 + 1e-6
    assert abs(told["basis"].greeks["BTC"]["delta"]) <= 1.0 + 1e-6
    assert told["all"].greeks["BTC"]["delta"] == pytest.approx(proposal.after.greeks["BTC"]["delta"])
    assert told["all"].equity == pytest.approx(proposal.after.equity)
    assert told["all"].cvar == pytest.approx(proposal.after.cvar["0.99"])
    assert told["all"].stress == pytest.approx(min(proposal.after.stress.values()))
    limits = proposal.limits.set_index("limit")
    assert limits.loc["delta BTC of vol upper", "after"] == pytest.approx(told["vol"].greeks["BTC"]["delta"])
    e = expose(BOOK, MARKET, rules)
    data = rules.model_dump(mode="json")
    verdict = judge(claim_of(json.loads(proposal.to_json())), e, MARKET, data)
    assert verdict.valid, verdict
    spoilt = json.loads(proposal.to_json())
    spoilt["after"]["tags"][0]["greeks"]["BTC"]["delta"] += 0.1
    spoilt["after"]["tags"][1]["cvar"] *= 1.001
    wrong = judge(claim_of(spoilt), e, MARKET, data).wrong
    assert [line.split(" of ")[0] for line in wrong] == ["after: delta BTC", "after: cvar"]
    page = proposal.to_html()
    assert 'id="tags"' in page
    assert "desk 2" in page
    assert ho.read_proposal(json.loads(proposal.to_json())) == proposal


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ho.InputError, match=r"policy: of: names no account and no tag.*did you mean 'basis'"):
        ho.propose(BOOK, MARKET, policy(ho.Delta("BTC", of=("bassis",)) <= 1.0))
    assert "of" not in ho.Delta("BTC").model_dump()
    assert risk_report(exposures(ho.Book(accounts=[part("a", 1.0)]), trades=False)).tags == ()


def test_true_leverage_of_accounts_is_that_of_their_book_where_no_coins_come_or_go() -> None:
    still = BOOK.model_copy(update={"links": ()})
    e, own = exposures(still), exposures(ho.Book(accounts=[BOOK.accounts[0], BOOK.accounts[2]]))
    term, alone = ho.TrueLeverage(of=("vol",)), ho.TrueLeverage()
    assert value(term, e, np.zeros(e.n_candidates)) == pytest.approx(value(alone, own, np.zeros(own.n_candidates)), rel=1e-9)
    x = np.where(np.random.default_rng(2).random(e.n_candidates) < 0.2, 0.5, 0.0)
    assert measure(term.model_dump(mode="json"), e, x, ()).value == pytest.approx(value(term, e, x), rel=1e-9)
    both = ho.TrueLeverage(of=("a", "b", "c"))  # every transfer stays inside
    assert value(both, exposures(BOOK), np.zeros(exposures(BOOK).n_candidates)) > 0.0
    for wrong in (("vol",), ("b",)):
        with pytest.raises(ho.InputError, match=r"true_leverage.of: .*may carry it into or out of the accounts"):
            value(ho.TrueLeverage(of=wrong), exposures(BOOK), np.zeros(exposures(BOOK).n_candidates))


def test_margin_of_accounts_counts_and_limits_them_alone() -> None:
    """The worst of the accounts named; the others may tie up what they like."""
    e = exposures(BOOK)
    nothing = np.zeros(e.n_candidates)
    each = [value(ho.Margin("deribit", account=name), e, nothing) for name in "abc"]
    assert value(ho.Margin("deribit", of=("desk 2",)), e, nothing) == pytest.approx(max(each[1:]))
    few = {"candidates": {"kinds": ("perpetual",), "transfers": False}}
    survive = ho.SurviveStress(of=("desk 2",), scenarios=(e.stress[0],), utilisation=0.9)
    for limit in (ho.MarginUtilisation(limit=0.99 * each[0], of=("a",)), ho.Margin("deribit", of=("a",)) <= 0.99 * each[0]):
        rules = policy(limit, survive, **few)
        proposal = ho.propose(BOOK, MARKET, rules)
        named = [name for name in proposal.limits["limit"] if "cap" not in name]
        assert named == ["initial margin a", *(f"survive {e.stress[0]} {name}" for name in "bc")]
        told = claim_of(json.loads(proposal.to_json()))
        assert not judge(told, expose(BOOK, MARKET, rules), MARKET, rules.model_dump(mode="json")).wrong
    with pytest.raises(ho.InputError, match=r"margin.of: names no account of the venue \(got 'basis'\); accounts there: a"):
        value(ho.Margin("deribit", account="a", of=("basis",)), e, nothing)


def test_a_variance_of_accounts_is_limited_and_verified() -> None:
    book = ho.Book(accounts=[part("a", 1.0, "vol", skip=62), part("b", -0.5, "basis", skip=66)])
    e = exposures(book)
    now = value(ho.Variance(of=("vol",)), e, np.zeros(e.n_candidates))
    limits = ho.Variance(of=("vol",)) <= 0.9 * now, ho.GrossLeverage(of=("basis",)) <= 50.0
    rules = policy(*limits, candidates={"kinds": ("perpetual",)})
    proposal = ho.propose(book, MARKET, rules)
    assert proposal.limits.set_index("limit").loc["variance of vol", "after"] <= 0.9 * now * (1 + 1e-6)
    told = claim_of(json.loads(proposal.to_json()))
    assert judge(told, expose(book, MARKET, rules), MARKET, rules.model_dump(mode="json")).valid


def test_a_limit_on_variance_that_fits_no_memory_is_refused() -> None:
    sample = ho.ParametricScenarios(count=900, vol={"BTC": 0.6, "ETH": 0.7})
    rules = ho.Policy(minimize=ho.TransactionCost(), subject_to=[ho.Variance() <= 1e12], scenarios=sample, lots="ideal")
    with pytest.raises(
        ho.InputError, match=r"subject_to: a limit on variance over 80\d candidates takes some 10 GB of memory"
    ):
        ho.propose(BOOK, MARKET, rules)


def test_a_strategy_does_not_copy_the_pnl_of_every_trade() -> None:
    """Values, sizes and gradients of a scope by masks: the same numbers, and no array of scenarios times trades."""
    e = exposures(BOOK, "BTC")
    mine = ScopedPnl.of(e, scope_of(e, ("vol",)))
    rng = np.random.default_rng(2)
    x, q, scale = rng.normal(size=e.n_candidates), rng.random(len(e.base_pnl)), 1.0 + rng.random(e.n_candidates)
    whole = mine.scaled(np.ones(e.n_candidates))
    assert mine.at(x) == pytest.approx(mine.base + whole @ x)
    assert mine.weighted(q) == pytest.approx(q @ whole)
    assert mine.scaled(scale) == pytest.approx(whole * scale)
    assert mine.size(q, x) == pytest.approx(q @ (np.abs(mine.base) + np.abs(whole) @ np.abs(x)))
    wide = replace(e, pnl=np.tile(e.pnl, (50, 1)), base_pnl=np.tile(e.base_pnl, 50))
    large = replace(mine, pnl=wide.pnl, base=wide.base_pnl, moved=np.tile(mine.moved, (50, 1)))
    tracemalloc.start()
    large.at(x)
    large.weighted(np.tile(q, 50))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.2 * wide.pnl.nbytes


def test_a_worst_stress_that_changes_is_told_with_both_names() -> None:
    before = risk_report(exposures(BOOK))
    moved = replace(before.tags[0], worst_stress="melt-up", stress=-413_490.0)
    after = replace(before, tags=(moved, *before.tags[1:]))
    cells = tag_grid(before, after).rows[0]
    assert cells[-2] == f"{before.tags[0].worst_stress} → melt-up"
    assert tag_grid(before, after).rows[1][-2] == before.tags[1].worst_stress
    assert tag_grid(before, None).rows[0][-2] == before.tags[0].worst_stress
