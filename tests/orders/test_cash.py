"""The cash ladder by hand, as a limit in a program, and against the verifier's own sums."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.exposures.expose import expose
from hedgeopt.models.costs.cash import cash_line, day_of
from hedgeopt.orders.cash import cash_ladder
from hedgeopt.reports.cash_tables import cash_grid
from hedgeopt.verify.cash import cash_by_day
from hedgeopt.verify.claim import claim_of
from hedgeopt.verify.verdict import judge

from .conftest import solved

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)


def market() -> ho.Market:
    """A call that pays 10,000 USD in 6 days, a future 800 above the index, a perpetual that pays 0.01 % in 8 hours."""
    base = {"timestamp": NOW.isoformat(), "currency": "BTC", "index_price": 80_000.0, "option_type": None, "strike": np.nan,
            "mark_iv": np.nan, "underlying_price": np.nan, "funding_8h": np.nan}  # fmt: skip
    rows = [
        {**base, "instrument_name": "BTC-7MAY26-70000-C", "bid_price": 0.127, "ask_price": 0.129, "mark_price": 0.128,
         "option_type": "call", "strike": 70_000.0, "expiry": "2026-05-07T08:00Z", "underlying_price": 80_000.0},
        {**base, "instrument_name": "BTC-29MAY26", "bid_price": 80_790.0, "ask_price": 80_810.0, "mark_price": 80_800.0,
         "expiry": "2026-05-29T08:00Z"},
        {**base, "instrument_name": "BTC-PERPETUAL", "bid_price": 79_999.5, "ask_price": 80_000.5, "mark_price": 80_000.0,
         "expiry": None, "funding_8h": 1e-4},
    ]  # fmt: skip
    return ho.read_market(pd.DataFrame(rows), invert_marks=True)


def book(**more: Any) -> ho.Book:
    held = [
        ho.Position(instrument="BTC-7MAY26-70000-C", quantity=-8.0),
        ho.Position(instrument="BTC-29MAY26", quantity=-808_000.0),
        ho.Position(instrument="BTC-PERPETUAL", quantity=-800_000.0),
    ]
    accounts = [
        ho.Account(name="main", venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=30.0)], positions=held),
        ho.Account(name="safe", venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=10.0)]),
    ]
    links = [ho.Link(source="safe", target="main", asset="BTC", delay_hours=30.0, cost_rate=0.001)]
    return ho.Book(name="by hand", accounts=accounts, links=links, **more)


def flow(amount: float, days: float, locked: bool = False, account: str = "safe") -> ho.KnownFlow:
    return ho.KnownFlow(account=account, asset="BTC", amount=amount, moment=NOW + timedelta(days=days), locked=locked)


def test_the_ladder_by_hand() -> None:
    """10 BTC of perpetual receive 3e-4 a day, 8 calls pay 1/8 BTC each, the future 808,000 (1/80,000 - 1/80,800)."""
    flows = [flow(4.0, 2.5, locked=True), flow(-1.0, 5.0)]
    ladder = cash_ladder(book(flows=flows), market(), days=30, sent={"safe to main BTC": 2.0})
    main_, safe = (ladder.cash[ladder.cash["account"] == name].set_index("day") for name in ("main", "safe"))
    income = 10.0 * 3e-4
    assert main_["income"].tolist() == pytest.approx([income * day for day in range(31)])
    assert main_["expiries"].tolist() == pytest.approx([0.0] * 6 + [-1.0] * 22 + [-1.0 + 0.1] * 3)
    assert main_["transfers"].tolist() == [0.0, 0.0] + [2.0] * 29
    assert main_["cash"][30] == pytest.approx(30.0 + 30 * income - 1.0 + 0.1 + 2.0)
    assert safe["locked"].tolist() == [-4.0] * 3 + [0.0] * 28
    assert safe["flows"].tolist() == [0.0] * 5 + [-1.0] * 26
    assert safe["transfers"].tolist() == [-2.0] * 31
    assert safe["cash"].tolist() == [4.0] * 3 + [8.0] * 2 + [7.0] * 26
    lowest = ladder.lowest.set_index("account")["day"]
    assert (lowest["main"], lowest["safe"]) == (0.0, 0.0)
    margins = ladder.margins[ladder.margins["account"] == "main"].set_index("day")
    assert margins["open_positions"].tolist() == [3.0] * 6 + [2.0] * 22 + [1.0] * 3
    assert margins["initial"][28] < margins["initial"][6] < margins["initial"][0]
    assert margins["equity"][0] == pytest.approx(30.0 * 80_000.0 - 8.0 * 0.128 * 80_000.0)
    assert json.loads(ladder.to_json())["days"] == 30


@pytest.mark.parametrize(("hours", "day"), [(-1.0, 0), (0.0, 0), (0.1, 1), (24.0, 1), (24.1, 2), (30.0, 2)])
def test_what_is_due_within_a_day_counts_on_it(hours: float, day: int) -> None:
    assert day_of(hours) == day


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), asset=st.sampled_from(["BTC", None]), account=st.sampled_from(["main", "safe", None]))
def test_program_and_verifier_add_up_the_same(seed: int, asset: str | None, account: str | None) -> None:
    rng = np.random.default_rng(seed)
    policy = ho.Policy(ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=5))
    e = expose(book(flows=[flow(4.0, 2.5, True), flow(-1.0, 5.0, account="main")]), market(), policy)
    x = rng.normal(size=e.n_candidates) * np.where(rng.random(e.n_candidates) < 0.5, 10.0, 1e4)
    x[e.links.candidate] = np.abs(x[e.links.candidate])
    rule = {"kind": "cash_at_least", "asset": asset, "account": account, "days": 30, "amount": 0.0}
    accounts = tuple(c for c, name in enumerate(e.accounts) if account in (None, name))
    line = cash_line(e, accounts, asset, 30)
    cost = float(np.where(line.pays, e.trade_cost(x), 0.0).sum()) / line.price
    told = [value for _, _, value, _, _ in cash_by_day(rule, e, x)]
    assert told == pytest.approx((line.start + line.slope @ x - cost).tolist(), rel=1e-9, abs=1e-9)
    for (_, _, value, _, below), other in zip(cash_by_day(rule, e, x), cash_by_day(rule, e, 0.3 * x), strict=True):
        assert below(x) == pytest.approx(-value, rel=1e-9, abs=1e-6)
        assert below(0.3 * x) <= -other[2] + 1e-6 * max(abs(other[2]), 1.0)


def limited(*accounts: str, **cash: Any) -> ho.Policy:
    """Any size: cash moves by opposite sides of one instrument in two accounts, which no list in whole lots has."""
    rules = [ho.Delta("BTC").within(-5.0, 60.0), ho.CashAtLeast(**cash)]
    only = ho.Candidates(trade_in=accounts)
    scenarios = ho.ParametricScenarios(count=50)
    return ho.Policy(ho.TransactionCost(), rules, scenarios=scenarios, candidates=only, lots="ideal")


def test_the_limit_moves_cash_in_time_and_is_proven() -> None:
    """On day 6 the calls take a coin: at least 29.5 in main asks for a transfer or a trade."""
    policy = limited(asset="BTC", amount=29.5, account="main", days=10)
    proposal = ho.propose(book(), market(), policy)
    assert proposal.certificate.valid
    limits = proposal.limits.set_index("limit")
    assert limits["after"]["cash BTC main day 6"] == pytest.approx(29.5, abs=1e-9)
    assert limits["breached_before"]["cash BTC main day 6"]
    verdict = judge(claim_of(proposal.to_dict()), expose(book(), market(), policy), market(), policy.model_dump(mode="json"))
    assert verdict.valid, verdict
    wrong = proposal.to_dict()
    row = next(row for row in wrong["limits"] if row["limit"] == "cash BTC main day 6")
    row["after"] += 0.01
    assert judge(claim_of(wrong), expose(book(), market(), policy), market(), policy.model_dump(mode="json")).wrong


@pytest.mark.parametrize("name", ["network", "loan", "whole", "nothing"])
def test_a_proposal_has_the_ladder_after_its_trades(name: str) -> None:
    """That of its own book after, day by day: but for what a transfer has under way, which that book has already."""
    s = solved(name)
    told = s.proposal.cash_ahead
    after = cash_ladder(ho.read_book(s.proposal.book_after), s.market, days=7, policy=s.policy).cash
    key = ["account", "asset", "day"]
    both = told.merge(after, on=key, how="outer", suffixes=("", "_after"))
    arrived = both[both["day"] == 7]
    assert arrived["cash"].fillna(0.0).tolist() == pytest.approx(
        arrived["cash_after"].fillna(0.0).tolist(), rel=1e-9, abs=1e-6
    )
    if name == "network":
        poor = told[(told["account"] == "poor") & (told["asset"] == "USDC")].set_index("day")
        assert poor["transfers"][0] == 0.0
        assert poor["transfers"][1] == pytest.approx(float(s.proposal.transfers["amount"].sum()))
    ahead = s.proposal.margin_ahead
    now = {pair.after.account: pair.after.now for pair in s.proposal.margins}
    for row in ahead[ahead["day"] == 7].to_dict("records"):
        if name != "whole":  # the example's options expire within the week
            assert row["initial"] == pytest.approx(now[row["account"]].initial, rel=1e-9)


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [("cash_ahead", "cash", "cash: "), ("margin_ahead", "initial", "margin ahead: initial of "),
     ("margin_ahead", "free", "margin ahead: free of "), ("margin_ahead", "equity", "margin ahead: equity of ")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["network", "whole"])
def test_the_verifier_adds_the_ladder_up_again(name: str, table: str, column: str, words: str) -> None:
    s = solved(name)
    e, rules = expose(s.book, s.market, s.policy), s.policy.model_dump(mode="json")
    for day in (0, 7):
        frame = getattr(s.proposal, table).copy()
        at = frame.index[frame["day"] == day][0]
        frame.loc[at, column] += 1e-6 * abs(frame.loc[at, "equity" if table == "margin_ahead" else "posted"])
        wrong = judge(claim_of(replace(s.proposal, **{table: frame}).to_dict()), e, s.market, rules).wrong
        assert len(wrong) == 1
        assert wrong[0].startswith(words)
        assert f"day {day}" in wrong[0]
    few = replace(s.proposal, cash_ahead=s.proposal.cash_ahead.iloc[:-1])
    assert "is not listed for every day" in judge(claim_of(few.to_dict()), e, s.market, rules).wrong[0]


def _null(told: dict[str, Any], *names: str) -> None:
    for row in told["margin_ahead"]:
        row.update(dict.fromkeys(names))


def _swap(told: dict[str, Any]) -> None:
    """Parts that still add up to the cash."""
    told["cash_ahead"][9]["income"] += 100.0
    told["cash_ahead"][9]["flows"] -= 100.0


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda told: told.update(cash_ahead=[], margin_ahead=[]), "is not listed for every day"),
        (lambda told: told.update(margin_ahead=[]), "not every account is listed for every day"),
        (lambda told: told.update(cash_ahead=[row for row in told["cash_ahead"] if row["day"] < 2]), "for every day"),
        (lambda told: told.update(margin_ahead=[row for row in told["margin_ahead"] if row["day"] < 2]), "for every day"),
        (lambda told: told["cash_ahead"].append({**told["cash_ahead"][0], "day": 8}), "outside 0 to 7"),
        (lambda told: told["cash_ahead"].append(told["cash_ahead"][0]), "twice"),
        (lambda told: _null(told, "initial"), "initial of .* is not told on day 0"),
        (lambda told: _null(told, "free"), "free of .* is not told on day 0"),
        (lambda told: _null(told, "maintenance"), "maintenance of .* is not told on day 0"),
        (_swap, "cash: income of .* as listed, it is"),
        (lambda told: told["cash_ahead"][3].update(expiries=123.0), "cash: expiries of .* is 123 as listed"),
        (lambda told: told["cash_ahead"][3].update(usd=1.0), "cash: usd of .* is 1 as listed"),
        (lambda told: told["cash_ahead"][3].update(date="1999-01-01"), "listed as 1999-01-01, it is"),
        (lambda told: told["margin_ahead"][3].update(date="1999-01-01"), "listed as 1999-01-01, it is"),
        (lambda told: told["margin_ahead"][3].update(open_positions=99.0), "margin ahead: open_positions of"),
    ],
)  # fmt: skip
def test_what_is_left_out_emptied_or_forged_is_found(forge: Any, words: str) -> None:
    """The verifier says so for every way to say nothing."""
    s = solved("network")
    e, rules = expose(s.book, s.market, s.policy), s.policy.model_dump(mode="json")
    told = s.proposal.to_dict()
    assert judge(claim_of(told), e, s.market, rules).wrong == ()
    told = json.loads(json.dumps(told))
    forge(told)
    wrong = judge(claim_of(told), e, s.market, rules).wrong
    assert any(re.search(words, line) for line in wrong), wrong


@pytest.mark.parametrize("dollars", [0.0, 1.0])
def test_dollars_of_an_account_that_posts_none_are_there(dollars: float) -> None:
    """Ten coins of ether sold at 1,999 bring 19,990 USD, whether or not a dollar is posted; equity keeps them."""
    stamp = {"timestamp": NOW.isoformat(), "venue": "deribit", "index": 80_000.0}
    quotes = [
        {**stamp, "instrument": "BTC-PERPETUAL", "mark": 80_040.0, "bid": 80_039.5, "ask": 80_040.5, "funding_8h": 2e-4},
        {**stamp, "instrument": "ETH_USDC", "mark": 2_000.0, "bid": 1_999.0, "ask": 2_001.0, "index": 2_000.0},
    ]
    there = ho.read_market(quotes, invert_marks=True)
    posted = [ho.Collateral(asset="BTC", amount=5.0)] + [ho.Collateral(asset="USDC", amount=dollars)] * bool(dollars)
    held = [ho.Position(instrument="ETH_USDC", quantity=20.0)]
    owner = ho.Account(name="a", venue="deribit", collateral=posted, positions=held)
    kinds = ho.Candidates(kinds=("perpetual", "spot"), underlyings=("BTC", "ETH"), min_days=0.0)
    scenarios = ho.ParametricScenarios(count=20, vol={"BTC": 0.5, "ETH": 0.6})
    sells = ho.Policy(ho.TransactionCost(), [ho.Delta("ETH") <= 10.0], scenarios=scenarios, lots="ideal", candidates=kinds)
    one = ho.Book(accounts=[owner])
    made = ho.propose(one, there, sells)
    assert made.trades["quantity"].tolist() == pytest.approx([10.0], rel=1e-6)
    told = made.cash_ahead[made.cash_ahead["asset"] != "BTC"]
    assert told["usd"].tolist() == pytest.approx([19_990.0 + dollars] * 8, rel=1e-6)
    equity = made.margin_ahead["equity"].tolist()
    assert equity == pytest.approx([5.0 * 80_000.0 + dollars + 39_990.0] * 8, rel=1e-6)
    e, rules = expose(one, there, sells), sells.model_dump(mode="json")
    assert judge(claim_of(made.to_dict()), e, there, rules).wrong == ()
    forged = replace(made, cash_ahead=made.cash_ahead[made.cash_ahead["asset"] == "BTC"])
    assert judge(claim_of(forged.to_dict()), e, there, rules).wrong


def test_the_page_says_that_fees_at_delivery_are_not_in_it() -> None:
    assert "Fees at delivery are not counted" in cash_grid(solved("whole").proposal).caption


def test_a_lock_is_no_cash() -> None:
    """safe has 10 coins of which 4 are locked for 60 hours: at least 7 from now on is impossible, at least 6 is not."""
    locked = book(flows=[flow(4.0, 2.5, locked=True)])
    assert ho.propose(locked, market(), limited("main", asset="BTC", amount=6.0, account="safe", days=3)).certificate.valid
    with pytest.raises(ho.InfeasibleError, match="cash BTC safe day 0"):
        ho.propose(locked, market(), limited("main", asset="BTC", amount=7.0, account="safe", days=3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flows": [flow(1.0, 1.0, account="other")]}, "names the account 'other'"),
        ({"flows": [flow(11.0, 1.0, locked=True)]}, "are locked in 'safe', which posts less"),
        ({"flows": [{"account": "safe", "asset": "ETH", "amount": 1.0, "moment": NOW}]}, "which posts none"),
        ({"flows": [{"account": "safe", "asset": "BTC", "amount": 0.0, "moment": NOW}]}, "a flow is not 0"),
        ({"flows": [{"account": "safe", "asset": "BTC", "amount": 1.0, "moment": "2026-05-01"}]}, "moment"),
    ],
)
def test_flows_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ho.InputError, match=words) as told:
        book(**change)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"days": 0}, "days: is no number"), ({"days": 400}, "days: is no number"), ({"sent": {"nowhere": 1.0}}, "is no link"),
     ({"sent": {"safe to main BTC": -1.0}}, "must be above 0")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ho.InputError, match=words):
        cash_ladder(book(), market(), **options)


def test_flows_survive_files_tables_and_firms() -> None:
    flows = [flow(4.0, 2.5, locked=True)]
    one = book(flows=flows)
    assert ho.Book.from_frame(one.to_frame()).flows == one.flows
    assert ho.read_book(json.loads(one.model_dump_json())) == one
    firm = ho.roll_up([one, book().model_copy(update={"name": "other"})])
    assert [f.account for f in firm.flows] == ["by hand/safe"]
    assert "flows" not in book().model_dump(mode="json")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    s = solved("whole")
    (tmp_path / "book.json").write_text(s.book.model_dump_json())
    s.market.to_frame().to_csv(tmp_path / "market.csv", index=False)
    given_ = ["cash", f"--book={tmp_path}/book.json", f"--market={tmp_path}/market.csv", "--days=8"]
    assert main([*given_, f"--csv={tmp_path}/out"]) == 0
    text = capsys.readouterr().out
    assert "No account runs out of an asset within 8 days." in text
    assert "2026-03-13" in text
    assert len(pd.read_csv(tmp_path / "out" / "cash.csv")) == 9 * 3
    assert main([*given_, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    direct = cash_ladder(s.book, s.market, days=8)
    assert [row["cash"] for row in told["cash"]] == pytest.approx(direct.cash["cash"].tolist())
    assert main([*given_, "--send=nowhere"]) == 2
    short = replace(direct, cash=direct.cash.assign(cash=-1.0))
    assert "below 0 on day 0" in repr(short)


def test_a_coin_is_paid_in_the_dollars_that_the_account_posts() -> None:
    """Spot pairs settle in USD, which nobody posts: the purchase leaves the ladder and counts in the limit."""
    from tests.program.test_depth_program import BOOK, quoted
    from tests.program.test_depth_program import policy as dexes

    rules = dexes(ho.Delta("ETH") >= 20.0).model_copy(
        update={"candidates": ho.Candidates(kinds=("spot",), underlyings=("ETH",))}
    )
    made = ho.propose(BOOK, quoted(), rules)
    assert made.trades["premium"].sum() == pytest.approx(60_000.0, rel=1e-3)
    first = made.cash_ahead[made.cash_ahead["day"] == 0]
    spent = 1.6e7 - first.loc[first["asset"] == "USDC", "cash"].sum()
    assert spent == pytest.approx(made.trades["premium"].sum() + made.costs["transaction"], rel=1e-9)
    tight = ho.CashAtLeast(asset=None, amount=1.6e7 - 30_000.0, days=1)
    with pytest.raises(ho.InfeasibleError, match="cash dollars"):
        ho.propose(BOOK, quoted(), rules.model_copy(update={"subject_to": (*rules.subject_to, tight)}))
