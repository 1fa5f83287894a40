"""Random programs against a whole linear, quadratic or conic program in HiGHS or Clarabel that shares no code with ours.

A seeded sample runs here; ``HEDGEOPT_PROGRAMS=300`` runs that many, and prints the table of counts with ``-s``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.models.margin.after import AccountAfter

HERE = Path(__file__).resolve().parent


def support(name: str) -> Any:
    """A module of this folder."""
    key = f"programs_programs_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, HERE / f"{name}.py")
        sys.modules[key] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[key])
    return sys.modules[key]


draw, reference, judging = support("draw"), support("reference"), support("judge")
COUNT = int(os.environ.get("HEDGEOPT_PROGRAMS", "0"))
SAMPLE = (0, 1, 2, 9, 17, 20, 32, 58, 60, 79, 80, 82, 92, 191, 227)
"""Seeds of every base book and of most kinds of limits and own constraints; before cuts 8 of them were refused."""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", [*SAMPLE, pytest.param(119, marks=pytest.mark.slow)])
def test_sampled_programs_are_answered_and_right(seed: int) -> None:
    case = draw.draw(seed)
    verdict = judging.judge(case, reference, draw.rest)
    assert verdict.kind in ("agreed", "infeasible", "reference missed"), f"{case.name}: {verdict.words}"


@pytest.mark.skipif(COUNT == 0, reason="HEDGEOPT_PROGRAMS says how many: `make campaign`")
def test_many_programs() -> None:
    verdicts = {}
    for seed in range(COUNT):
        case = draw.draw(seed)
        verdicts[case.name] = judging.judge(case, reference, draw.rest)
    print(judging.table(verdicts))
    kinds = [verdict.kind for verdict in verdicts.values()]
    assert "WRONG" not in kinds, judging.table(verdicts)
    assert "wrongly infeasible" not in kinds, judging.table(verdicts)
    # none of the first 300 is refused today (docs/certificate.md)
    assert kinds.count("refused") <= (0.0 if COUNT <= 300 else 0.01) * COUNT, judging.table(verdicts)


@pytest.mark.parametrize("base", ["standard", "portfolio", "linked", "venues"])
def test_the_reference_margin_is_the_plain_rule_after_the_trades(base: str) -> None:
    """Where leverage falls with size, a position reduced into another bracket counts at that bracket's leverage."""
    e, _ = draw.bases()[base]
    rng = np.random.default_rng(191)
    sizes = 2.0 * np.abs(e.rows.quantity[e.candidate]) + 2e6 / e.rows.notional[e.candidate]
    for _ in range(10):
        x = rng.uniform(-1.0, 1.0, e.n_candidates) * sizes * (rng.random(e.n_candidates) < 0.3)
        x[e.links.candidate] = 0.0
        for k, (venue, account) in enumerate(zip(e.venues, e.accounts, strict=True)):
            held = e.positions(x)
            posted = AccountAfter.of(e, k, x).collateral
            for kind in ("initial", "maintenance"):
                model, mine = e.margins.models[k], e.margins.rows[k]
                if any(abs(cap.row[: len(mine)] @ held[mine]) > cap.limit for cap in e.margins.encoding(k, kind).caps):
                    continue  # no program goes there
                need = model.requirement(e.margins.states[k], held[mine], posted).of(kind)
                found, _ = reference.value(e, ho.Margin(venue, account=account, requirement=kind), x)
                assert found == pytest.approx(need / float(e.equity[k]), rel=1e-9)


def test_the_reference_and_the_judge_can_say_no() -> None:
    """A bound or an objective that is off by a thousandth is called wrong, and so is a broken limit."""
    case = draw.draw(2)
    e = case.e
    assert reference.excess(e, draw.rest(case.policy), np.zeros(e.n_candidates), case.own)[0] >= 0.0
    from dataclasses import replace

    import hedgeopt.program.certified as solving

    right = solving.certify

    def too_high(*args: Any, **more: Any) -> Any:
        certificate, sides = right(*args, **more)
        return replace(certificate, lower_bound=certificate.lower_bound + 1e-3 * abs(certificate.objective) + 1.0), sides

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "certify", too_high)
        assert judging.judge(case, reference, draw.rest).kind == "WRONG"
