"""Who solves an instance of the tail family: ours, and rivals at their best; each call runs in a process of its own.

``python -m benchmarks.tail_family_rivals`` serves requests on its standard input; it needs numpy, scipy, cvxpy and highspy,
and what a rival is made of: an environment of its own may hold HiPO (highspy-extras), cvqp, PIQP and QOCO. Only the solve is
timed, after a solve of a tiny instance that loads code; the dual linear program's arrays are laid out before.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402

from benchmarks.tail_family_cases import Instance, Spec, evaluate, falls, instance  # noqa: E402
from benchmarks.tail_family_dual import cvqp, dual_highs  # noqa: E402
from benchmarks.tail_family_forms import Answer, cvxpy_solver, tail  # noqa: E402

__all__ = ["RIVALS", "applies", "drawn"]

CLARABEL = {"tol_gap_rel": 1e-8, "tol_feas": 1e-8}
RIVALS: dict[str, Callable[[Instance], Answer]] = {
    "tail": tail,
    "dual_simplex": dual_highs("simplex"),
    "dual_ipm": dual_highs("ipm", run_crossover="off"),
    "dual_ipx": dual_highs("ipx", run_crossover="off"),
    "dual_hipo": dual_highs("hipo", run_crossover="off"),
    "dual_pdlp": dual_highs("pdlp", pdlp_optimality_tolerance=1e-7),
    "cvxpy_default": cvxpy_solver(None),
    "cvxpy_highs": cvxpy_solver("HIGHS"),
    "clarabel": cvxpy_solver("CLARABEL", **CLARABEL),
    "piqp": cvxpy_solver("PIQP"),
    "qoco": cvxpy_solver("QOCO"),
    "cvqp": cvqp,
}


def applies(name: str, spec: Spec) -> bool:
    """Whether a rival takes such an instance."""
    if name.startswith("dual_"):
        return spec.extra == "none"
    if name == "cvqp":
        return spec.extra == "none" and spec.role == "objective" and spec.tails == 1 and not spec.tilted
    if spec.extra == "integers":
        return name in ("tail", "cvxpy_default", "cvxpy_highs")
    if name == "cvxpy_highs":
        return spec.extra in ("none", "turnover")
    if name == "piqp":
        return spec.extra != "soc"
    return True


def main() -> None:
    """Serve: a request per line (spec, name, CPU seconds at most, file of the drawn instance), an answer per line.

    A child of this process solves: code and instance are loaded once, and what a rival does to the process ends with it.
    """
    known: tuple[str, Instance] | None = None
    for text in sys.stdin:
        asked = json.loads(text)
        spec = Spec(**asked["spec"])
        if known is None or known[0] != spec.digest:
            known = None
            known = spec.digest, drawn(spec, asked["drawn"])
        print(json.dumps(forked(known[1], asked)), flush=True)


def drawn(spec: Spec, file: str | None) -> Instance:
    """The instance, from ``file`` where it is there, else written to it."""
    if file is not None and Path(file).is_file():
        return pickle.loads(Path(file).read_bytes())  # type: ignore[no-any-return]
    made = instance(spec)
    if file is not None:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(pickle.dumps(made, protocol=5))
    return made


def forked(made: Instance, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of a child with limits on CPU seconds and memory, and what ended it."""
    inward, outward = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(inward)
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (int(asked["limit"]), int(asked["limit"]) + 5))
            resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            answer = {"outcome": "solved", **answered(made, asked["name"])}
        except BaseException as error:
            answer = {"outcome": f"failed: {type(error).__name__}: {error}"[:200]}
        with os.fdopen(outward, "w") as out:
            out.write(json.dumps(answer))
        os._exit(0)
    os.close(outward)
    with os.fdopen(inward) as told:
        answer = told.read()
    _, status, used = os.wait4(child, 0)
    if answer:
        return json.loads(answer) | {"process_seconds": used.ru_utime + used.ru_stime}
    return {"outcome": f"ended by signal {os.WTERMSIG(status)}", "process_seconds": used.ru_utime + used.ru_stime}


def answered(made: Instance, name: str) -> dict[str, Any]:
    """What one rival finds, after a tiny instance that loads its code."""
    spec = made.spec
    tiny = replace(spec, scenarios=300, instruments=4 if spec.market == "portfolio" else 6)
    with contextlib.suppress(Exception):  # a tiny instance may have no solution; the code is loaded
        RIVALS[name](instance(tiny))
    x, told = RIVALS[name](made)
    if told["status"] == "unbounded" and name == "tail":
        slope, violation = falls(made, x)
        return told | {"slope": slope, "violation": violation, "source": made.source}
    if told["status"] == "infeasible" and name == "tail":
        return told | {"source": made.source}
    value, violation = evaluate(made, np.asarray(x, dtype=float))
    return told | {"objective": value, "violation": violation, "source": made.source}


if __name__ == "__main__":
    main()
