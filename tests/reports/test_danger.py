"""What remains dangerous is said, and what the trades make worse; a policy's proof claims its limits and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.measures.margin import AccountMargin, MarginState
from hedgeopt.program.proposal import MarginChange
from hedgeopt.reports.danger import danger
from hedgeopt.reports.headline import headline

STORED = Path(__file__).parents[1] / "program" / "stored" / "2"


def account(
    maintenance: float,
    *,
    equity: float = 100.0,
    initial: float = 0.0,
    haircut: float = 0.0,
    crash: float = 50.0,
    down: float | None = None,
    up: float | None = None,
    name: str = "main",
) -> AccountMargin:
    now = MarginState("now", equity, haircut, initial, maintenance)
    stress = MarginState("crash", crash, 0.0, 0.0, 20.0)
    down, up = (0.0, 0.0) if maintenance > equity else (down, up)
    return AccountMargin(name, "deribit", "rule", now, (stress,), {}, down, up)


def told(after: AccountMargin, before: AccountMargin, **more: Any) -> str:
    return " ".join(danger([after], [before], **more).sentences)


def test_an_account_below_maintenance_that_gets_worse_is_said_with_both_numbers() -> None:
    said = told(account(176.0, crash=-300.0), account(159.0, crash=-200.0))
    worse = "WORSE by the trades: margin used 159 % → 176 %, left over −59 → −76 USD, left over in crash −220 → −320 USD."
    assert worse in said


def test_an_account_that_gets_better_is_not_said_to_get_worse() -> None:
    said = told(account(150.0, crash=-200.0), account(159.0, crash=-300.0))
    assert "by the trades" not in said


def test_falling_below_maintenance_by_the_trades_is_said() -> None:
    found = danger([account(101.0)], [account(50.0, down=-0.3)])
    said = " ".join(found.sentences)
    assert found.tone == "bad"
    assert "LIQUIDATION NOW: equity of deribit/main does not cover maintenance margin (before: −30 %)." in said
    assert "liquidated at −30 % → now" in said
    assert "margin used 50 % → 101 %" in said


def test_room_that_shrinks_is_said_where_it_is_still_covered_and_only_when_it_is_much() -> None:
    said = told(account(40.0, crash=40.0, up=0.20), account(30.0, crash=50.0, up=0.40))
    assert "WORSE" not in said
    assert "Less room by the trades: margin used 30 % → 40 %, left over 70 → 60 USD, left over in crash 30 → 20 USD" in said
    assert "liquidated at +40 % → +20 %" in said
    assert "by the trades" not in told(account(31.0, crash=49.0, up=0.39), account(30.0, crash=50.0, up=0.40))
    assert "by the trades" not in told(account(30.0, up=2.0), account(30.0, up=4.0))  # far away before and after
    assert "liquidated at no move → +20 %" not in said
    assert "liquidated at never → +20 %" in told(account(30.0, up=0.2), account(30.0))


def test_what_needs_no_margin_has_no_room_to_lose() -> None:
    def wallet(equity: float) -> AccountMargin:
        free = MarginState("now", equity, 0.0, 0.0, 0.0)
        return AccountMargin("cold", "wallet", "none", free, (replace(free, scenario="crash"),), {}, None, None)

    assert "by the trades" not in told(wallet(10.0), wallet(90.0))


@pytest.mark.parametrize(("equity", "haircut", "refused"), [(100.0, 0.0, False), (100.0, 30.0, True), (79.0, 0.0, True)])
def test_orders_that_the_venue_refuses_are_named(equity: float, haircut: float, refused: bool) -> None:
    one = account(50.0, equity=equity, haircut=haircut, initial=80.0)
    said = told(one, account(50.0, initial=70.0), traded={"main"})
    assert ("the venue refuses orders that add risk, which these trades may be" in said) == refused
    assert ("80 USD (before: 70)" in said) == refused
    alone = " ".join(danger([one]).sentences)
    assert ("the venue refuses orders that add risk." in alone) == refused
    assert "these trades" not in alone


def test_a_policy_without_a_limit_on_margin_says_so_where_it_matters() -> None:
    words = "The policy has no limit on margin"
    assert words in told(account(120.0), account(110.0), margin_limited=False)
    assert words not in told(account(120.0), account(110.0), margin_limited=True)
    assert words not in told(account(10.0, down=-0.6), account(10.0, down=-0.6), margin_limited=False)


def test_several_accounts_are_named_once_each() -> None:
    after = [account(176.0, name="a"), account(120.0, name="b")]
    before = [account(159.0, name="a"), account(101.0, name="b")]
    said = " ".join(danger(after, before).sentences)
    assert (
        "deribit/a margin used 159 % → 176 %, left over −59 → −76 USD, deribit/b margin used 101 % → 120 %, left over"
        in said
    )
    assert "LIQUIDATION NOW: equity of deribit/a, deribit/b" in said


@pytest.fixture(scope="module")
def example() -> ho.Proposal:
    return ho.read_proposal(STORED / "example.json")


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([], "Certified: the policy has no limits, and"),
        ([{"kind": "participation"}], "Certified: the one limit of this policy holds, and"),
        ([{"kind": "participation"}] * 3, "Certified: the 3 limits of this policy hold, and"),
    ],
)
def test_the_proof_counts_the_limits_it_is_about(example: ho.Proposal, kinds: list[Any], words: str) -> None:
    assert headline(replace(example, policy={**example.policy, "subject_to": kinds})).certificate.startswith(words)


@pytest.mark.parametrize(
    ("rule", "limited"),
    [
        ({"kind": "margin_utilisation"}, True),
        ({"kind": "survive_stress"}, True),
        ({"kind": "limit", "term": {"kind": "margin"}}, True),
        ({"kind": "limit", "term": {"kind": "delta"}}, False),
    ],
)
def test_any_limit_on_margin_counts(example: ho.Proposal, rule: dict[str, Any], limited: bool) -> None:
    (pair, *_) = example.margins
    broken = replace(pair.after, liquidation_down=0.0)
    proposal = replace(
        example, policy={**example.policy, "subject_to": [rule]}, margins=(MarginChange(pair.before, broken),)
    )
    assert ("no limit on margin" in " ".join(headline(proposal).danger.sentences)) == (not limited)
