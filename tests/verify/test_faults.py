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
        import hedgeopt.solve as solve

        whole = solve.certify

        def silenced(*args: Any) -> Any:
            certificate, sides = whole(*args)
            return replace(certificate, feasible=True, optimal=True, gap=0.0, worst_violation=0.0), sides

        patch.setattr(solve, "certify", silenced)
        patch.setattr(solve, "allowance", lambda *args: 1e300)
        return world.told(), True


@pytest.mark.parametrize("name", SAMPLE)
def test_the_verifier_catches(name: str, toy_book: ho.Book, toy_market: ho.Market, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    world = world_of(fault, toy_book, toy_market)
    fault.spoil(monkeypatch)
    told, silenced = faulty(world, monkeypatch)
    monkeypatch.undo()
    verdict = world.verdict(told)
    COUNTS[fault.room, "refused by the certificate too" if silenced else "certified by the product"] += 1
    assert not verdict.valid
    assert verdict.exit_code in (3, 4)


def test_there_are_enough_faults() -> None:
    assert len(FAULTS) >= 40
    assert {fault.room for fault in FAULTS.values()} >= {"terms", "limits", "margin encodings", "program", "tail"}


@pytest.fixture(scope="module", autouse=True)
def table() -> Any:
    """Print how many faults of each room were caught, and how many of them the certificate refuses as well."""
    yield
    rooms = sorted({room for room, _ in COUNTS})
    lines = [f"{'room':18} {'caught':>6} {'of them certified':>18}"]
    for room in rooms:
        certified = COUNTS[room, "certified by the product"]
        lines.append(f"{room:18} {certified + COUNTS[room, 'refused by the certificate too']:>6} {certified:>18}")
    lines.append(f"{'all':18} {sum(COUNTS.values()):>6} {sum(n for (_, how), n in COUNTS.items() if 'product' in how):>18}")
    print("\n" + "\n".join(lines))


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
