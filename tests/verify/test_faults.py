"""Every fault gets out as a proposal, past the product's own certificate where that refuses it, and the verifier says so."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.errors import CertificateError, InfeasibleError

from .faults import FAULTS, Fault
from .worlds import World, network_book, network_market

EVERYTHING = os.environ.get("HEDGEOPT_CAMPAIGN", "") not in ("", "0")
HARMLESS = {
    "Half of Hyperliquid's tiers",
    "Shadow prices with the wrong sign",
    "Shadow prices ten times too large",
    "Shadow prices lost",
    "The solver returns a feasible point that is not the best",
    "Limits judged to one per cent, trades half a per cent beyond them",
}
SAMPLE = list(FAULTS) if EVERYTHING else list(FAULTS)[::6]
COUNTS: Counter[tuple[str, str]] = Counter()

pytestmark = [
    pytest.mark.filterwarnings("ignore:The tail solver stopped"),
    pytest.mark.filterwarnings("ignore:.*np.vectorize"),
]


def world_of(fault: Fault, toy_book: ho.Book, toy_market: ho.Market) -> World:
    """The inputs under which a fault shows."""
    if fault.world == "desk":
        return World(toy_book, toy_market, fault.policy())
    return World(network_book(), network_market(), fault.policy())


def faulty(world: World, patch: pytest.MonkeyPatch) -> tuple[dict[str, Any], bool]:
    """The proposal that comes out, and whether the product's own certificate had to be silenced."""
    try:
        return world.told(), False
    except (CertificateError, InfeasibleError):
        import hedgeopt.program.assemble as proposal
        import hedgeopt.program.certified as certified
        import hedgeopt.program.solve as solve

        whole, assemble = certified.certify, solve.assemble

        def silenced(*args: Any) -> Any:
            certificate, sides = whole(*args)
            return replace(certificate, feasible=True, optimal=True, gap=0.0, worst_violation=0.0), sides

        def unlisted(*args: Any) -> Any:
            patch.setattr(proposal, "listed", lambda *_: args[5].trades)
            return assemble(*args)

        patch.setattr(certified, "certify", silenced)
        patch.setattr(certified, "allowance", lambda *args: 1e300)
        patch.setattr(solve, "assemble", unlisted)
        return world.told(), True


def outcome(fault: Fault, toy_book: ho.Book, toy_market: ho.Market, patch: pytest.MonkeyPatch) -> str:
    """Who notices a fault: "caught" is by the verifier.

    "harmless": the product found its way round it (by cuts, where multipliers were spoiled), and the answer is as good as
    the one without the fault. "idle": as good, though nothing could find a way round it: the fault no longer reaches the
    code that it is meant to spoil.
    """
    world = world_of(fault, toy_book, toy_market)
    fault.spoil(patch)
    told, silenced = faulty(world, patch)
    patch.undo()
    verdict = world.verdict(told)
    caught = "missed" if verdict.valid or verdict.exit_code not in (3, 4) else "caught"
    if verdict.valid:
        good, found = world.told()["certificate"]["objective"], told["certificate"]["objective"]
        if abs(found - good) <= world.policy.tolerance * max(1.0, abs(good)):
            caught = "harmless" if any(FAULTS[name] is fault for name in HARMLESS) else "idle"
    return f"{caught}, {'refused' if silenced else 'certified'} by the product"


@pytest.mark.parametrize("name", SAMPLE)
def test_the_verifier_catches(name: str, toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcome(FAULTS[name], toy_book, toy_market, monkeypatch)
    COUNTS[FAULTS[name].room, found] += 1
    assert found.startswith(("caught", "harmless"))


def test_there_are_enough_faults() -> None:
    assert len(FAULTS) >= 40
    assert {fault.room for fault in FAULTS.values()} >= {"terms", "limits", "margin encodings", "program", "tail"}


@pytest.fixture(scope="module", autouse=True)
def table() -> Any:
    """Print how many faults of each room the product refuses, how many it certifies, and how many are caught here."""
    yield
    rows = [(room, [room]) for room in sorted({room for room, _ in COUNTS})]
    rows.append(("all", [room for room, _ in rows]))
    print(f"\n{'room':18} {'injected':>9} {'refused':>9} {'certified':>9} {'caught':>9}")
    for name, rooms in rows:
        mine = [(found, n) for (room, found), n in COUNTS.items() if room in rooms]
        numbers = [sum(n for found, n in mine if word in found) for word in ("", "refused", "certified", "caught")]
        print(f"{name:18} " + " ".join(f"{number:9}" for number in numbers))


@pytest.mark.parametrize("world", ["desk", "network"])
def test_without_a_fault_it_is_valid(world: str, toy_book: ho.Book, toy_market: ho.Market) -> None:
    """Every policy that a fault is shown under verifies without it."""
    tried: list[ho.Policy] = []
    for fault in FAULTS.values():
        if fault.world != world or fault.policy() in tried:
            continue
        tried.append(fault.policy())
        found = world_of(fault, toy_book, toy_market)
        told = json.loads(json.dumps(found.told()))
        verdict = found.verdict(told)
        assert verdict.valid, (verdict, fault)
