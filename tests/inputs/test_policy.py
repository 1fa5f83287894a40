"""The algebra of policies, and their files."""

from __future__ import annotations

from pathlib import Path

import pytest

import hedgeopt as ho

POLICY = ho.Policy(
    name="everything",
    minimize=ho.TransactionCost() + ho.Carry() + 0.5 * ho.CVaR(0.99) - 2 * ho.Theta("BTC"),
    subject_to=[
        ho.Delta("BTC").within(-1, 1),
        ho.Gamma("BTC") >= 0,
        ho.GrossLeverage(basis="notional") <= 3,
        ho.Margin("deribit", account="main") <= 0.6,
        ho.OrderLimit(notional=1e6, only=("option",)),
        ho.PositionLimit(quantity=10.5, long_only=True),
        ho.Participation(share=0.1, missing="skip"),
    ],
    candidates=ho.Candidates(underlyings=("BTC",), mark_half_spread=0.0001),
    scenarios=ho.ParametricScenarios(count=1234, seed=5, vol={"BTC": 0.7}),
    lots="ideal",
)


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_files_round_trip_exactly(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"policy.{ending}"
    path.write_text(POLICY.to_toml() if ending == "toml" else POLICY.to_json())
    assert ho.read_policy(path) == POLICY


def test_algebra_collects_weights() -> None:
    parts = POLICY.minimize
    assert [(p.weight, p.term.name) for p in parts] == [
        (1.0, "transaction cost"),
        (1.0, "carry"),
        (0.5, "cvar 0.99"),
        (-2.0, "theta BTC"),
    ]
    assert ho.Policy(minimize=ho.CVaR(), lots="ideal").minimize[0].weight == 1.0
    doubled = ho.Policy(minimize=2 * (ho.CVaR() + ho.Carry()), lots="ideal")
    assert [p.weight for p in doubled.minimize] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ho.CVaR(0.99) >= 1.0, "convex"),
        (lambda: ho.Delta("BTC").within(1, -1), "above upper"),
        (lambda: ho.Policy(minimize=-ho.CVaR(0.99), lots="ideal"), "negative weight"),
        (lambda: ho.CVaR(1.0), "less than 1"),
        (lambda: ho.OrderLimit(), "notional or quantity"),
        (lambda: ho.Policy(minimize=ho.CVaR(), colour="blue", lots="ideal"), "colour"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_policy_faults_are_one_line() -> None:
    with pytest.raises(ho.InputError) as caught:
        ho.Policy(minimize=ho.CVaR(), tolerance=-1, lots="ideal")
    assert "\n" not in str(caught.value)
    assert "tolerance" in str(caught.value)
