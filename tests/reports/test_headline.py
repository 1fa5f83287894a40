"""The headline: what remains dangerous comes first, is never green beside a liquidation, and one name has one number."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import hedgeopt as ho
from hedgeopt.measures.figures import loss_distribution
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.program.proposal import MarginChange
from hedgeopt.reports.danger import danger
from hedgeopt.reports.headline import headline
from hedgeopt.reports.rows import limit_rows, margin_rows, risk_rows
from hedgeopt.reports.terminal import proposal_report
from hedgeopt.reports.words import number

STORED = Path(__file__).parents[1] / "program" / "stored" / "2"


@pytest.fixture(scope="module")
def example() -> ho.Proposal:
    return ho.read_proposal(STORED / "example.json")


@pytest.fixture(scope="module")
def network() -> ho.Proposal:
    return ho.read_proposal(STORED / "network.json")


def liquidated_at(proposal: ho.Proposal, move: float) -> ho.Proposal:
    """Its first account is liquidated when every coin moves so far."""
    first, *rest = proposal.margins
    down, up = (move, None) if move < 0 else (None, move)
    return replace(
        proposal,
        margins=(MarginChange(first.before, replace(first.after, liquidation_down=down, liquidation_up=up)), *rest),
    )


@pytest.mark.parametrize(("move", "tone"), [(0.02, "bad"), (-0.02, "bad"), (0.0, "bad"), (0.15, "warn"), (-0.4, "good")])
def test_a_near_liquidation_is_said_and_never_green(example: ho.Proposal, move: float, tone: str) -> None:
    proposal = liquidated_at(example, move)
    words = headline(proposal)
    covered = not any(not state.covered for state in proposal.margins[0].after.stresses)
    assert words.tone == (tone if covered or tone == "bad" else "warn")
    said = words.danger.sentences[0]
    assert ("LIQUIDATION NOW" in said) == (move == 0.0)
    if move:
        assert f"every coin moves {'+' if move > 0 else '−'}{abs(100 * move):.{1 if abs(move) < 0.1 else 0}f} %" in said
    first = re.search(r'<div class="(\w+)"><b>', proposal.to_html())
    assert first is not None
    assert first[1] == words.danger.tone
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=100, color_system="standard").print(proposal_report(proposal))
    frame = stream.getvalue().split("╭")[0]
    assert ("\x1b[32m" in frame) == (words.tone == "good")
    assert ("31m" in frame) == (words.tone == "bad")


def test_not_certified_is_red_whatever_else_is_well(example: ho.Proposal) -> None:
    assert headline(replace(example, certificate=replace(example.certificate, optimal=False))).tone == "bad"


def test_stresses_that_are_not_covered_are_named(network: ho.Proposal) -> None:
    after = [pair.after for pair in network.margins]
    state = replace(after[0].stresses[0], equity=-1.0, maintenance=0.0)
    broken = replace(after[0], stresses=(state, *after[0].stresses[1:]))
    told = danger([broken, *after[1:]]).sentences[1]
    assert f"NOT covered in 1 of {len(after[0].stresses)}" in told
    assert state.scenario in told
    assert f"{broken.venue}/{broken.account}" in told


def test_transfers_come_first(network: ho.Proposal) -> None:
    words = headline(network).trades
    count, trades = len(network.transfers), len(network.trades)
    hours = number(network.transfers["delay_hours"].max())
    assert words.startswith(f"{count} transfers (up to {hours} hours), then {trades} trade")
    page = network.to_html()
    assert page.index('<section id="transfers">') < page.index('<section id="trades">')


@pytest.mark.parametrize("which", ["example", "network"])
def test_one_name_has_one_number(which: str, request: pytest.FixtureRequest) -> None:
    """Limits on margin and leverage show the numbers of the other tables, and bounds that hold by as much as was proven."""
    proposal: ho.Proposal = request.getfixturevalue(which)
    told = {row.measure: (row.before, row.after) for row in risk_rows(proposal.before, proposal.after)}
    several = len(proposal.after.accounts) > 1
    limits = {row.name: row for row in limit_rows(proposal)}
    stored = {row["limit"]: row for row in proposal.limits.to_dict(orient="records")}
    seen = 0
    for name, row in limits.items():
        other = name if several or not name.startswith("initial margin") else "initial margin"
        if other in told:
            seen += 1
            assert (row.before, row.after) == told[other], name
        side = stored.get(name)
        if side is not None and side["unit"] == "USD":
            shown = float(row.after.replace("−", "-").replace(",", ""))
            bound = float(re.sub(r"[^\d.-]", "", row.bound.replace("−", "-")))
            digits = 1e-3 * max(abs(shown), abs(bound), 1.0)
            assert bound - shown == pytest.approx(side["bound"] - side["after"], abs=digits)
    assert seen >= 1
    assert {row.account for row in margin_rows(proposal)} == {f"{p.after.venue}/{p.after.account}" for p in proposal.margins}


@pytest.mark.parametrize("law", ["lognormal", "student", "normal"])
def test_the_sample_error_is_what_resampling_finds(law: str) -> None:
    rng = np.random.default_rng(3)
    draw = {
        "lognormal": lambda: 1e4 * np.exp(rng.normal(size=10_000)),
        "student": lambda: 1e4 * rng.standard_t(4.5, size=10_000),
        "normal": lambda: rng.normal(size=10_000),
    }[law]
    losses = draw()
    told = loss_distribution((losses, 0.5 * losses), None)
    resampled = np.std([tail_loss(rng.choice(losses, len(losses)), 0.99, None) for _ in range(300)])
    assert told.cvar_error(len(losses), after=False) == pytest.approx(resampled, rel=0.15)
    assert told.cvar_error(len(losses)) == pytest.approx(0.5 * resampled, rel=0.2)
    assert told.cvar_error(4 * len(losses)) == pytest.approx(0.5 * told.cvar_error(len(losses)))


def test_the_sample_error_is_refused_where_it_is_not_known(example: ho.Proposal) -> None:
    settings = {**example.policy["scenarios"], "views": [{}]}
    assert "weighted" in headline(replace(example, policy={**example.policy, "scenarios": settings})).sample
    for count, words in (
        ("60", "fewer than one scenario lies"),
        ("200", "only 2 scenarios lie"),
        ("150", "only 1 scenario lies"),
    ):
        drawn = f"{count} parametric over 1 day, seed 5"
        assert words in headline(replace(example, scenarios=drawn)).sample
    assert "not recorded" in headline(replace(example, figures=None)).sample
