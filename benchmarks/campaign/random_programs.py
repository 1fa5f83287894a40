"""Random programs against a whole linear, quadratic or conic program in HiGHS or Clarabel that shares no code with ours."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

from benchmarks.campaign.registry import campaign

_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "programs"


@functools.cache
def _support(name: str) -> Any:
    key = f"campaign_programs_{name}"
    spec = importlib.util.spec_from_file_location(key, _FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[key] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@campaign(
    "random_programs",
    about="random programs of all terms and limits against a whole LP, QP or conic program",
    full=300,
    sample=2,
    never=("WRONG", "wrongly infeasible"),
    sources=(
        "hedgeopt/constraints", "hedgeopt/models", "hedgeopt/program", "hedgeopt/tail", "tests/programs",
    ),
)  # fmt: skip
def case(number: int) -> str:
    """The judge's verdict on one program; see ``tests/programs/judge.py``."""
    draw = _support("draw")
    return str(_support("judge").judge(draw.draw(number), _support("reference"), draw.rest).kind)
