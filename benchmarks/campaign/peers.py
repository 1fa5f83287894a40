"""cvxpy's tests (those in the installed wheel) with every ``problem.solve()`` sent through ``method="tail"``.

One case is one test module. What fails only here, and is not on the list below, is reported; a test that fails is run again
without us first. ``python -m benchmarks.campaign.peers FOLDER`` does the same with another project's tests, installed or in
a checkout.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cvxpy

from benchmarks.campaign.registry import ROOT, campaign

__all__ = ["ACCEPTED", "MODULES", "ONLY_HERE", "only_here"]

ONLY_HERE = "tests fail only here"
MODULES = sorted(path.name for path in (Path(cvxpy.__file__).parent / "tests").glob("test_*.py"))
ACCEPTED = {  # test: why it may fail here only
    r"bibtex|verbose|written_model|warm_start\[": "output and files of a solver that was named, which is not the one used",
    r"solver_stats|test_highs_options|test_scip_|invalid_solver|solver_path": "names, numbers and options of solvers",
    r"CustomSolvers|installed_solvers|gurobi|errors_(when|without)": "errors that solvers raise which are not used here",
    r"assume_psd_raises|miqp_warning": "an error or a warning of one way to compile",
    r"TestDotsort::test_parameter": "cvxpy's warning about parameters that it compiles anew each time",
    r"dpp_flags|DimReducingAttributes.*_parameter$|TestParamQuadProg": "looks into cvxpy's cache of compiled problems",
    r"TestSlacks::test_(pcp|expcone_socp)|test_scs_pcp_2": "more digits than were asked for: where in a flat optimum",
    r"TestSolverDataValidation::test_(inf|nan)_constant": "cvxpy's words for a number that is not finite; ours name where",
    r"TestAtoms::test_cvar$": "cvar(x) <= 1 without a tolerance: it is over by one rounding, 2e-16",
    r"lambda_sum_largest_nd_solve|TestQuantumRelEntr::test_real_inputs": "no multipliers prove the bound (they have no room "
    "in their cones): the same value, with status optimal_inaccurate",
}


def only_here(module: str) -> list[str]:
    """Tests of a module of cvxpy's that pass without us and fail through us, but for those accepted."""
    failed = _failed(module, [], through=True)
    failed = [name for name in failed if not any(re.search(pattern, name) for pattern in ACCEPTED)]
    return sorted(set(failed) - set(_failed(module, failed, through=False))) if failed else []


def _failed(module: str, names: list[str], through: bool) -> list[str]:
    path = Path(cvxpy.__file__).parent / "tests" / module  # an absolute path stays what it is
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tests.jsonl"
        environment = {**os.environ, "PEERS_OUT": str(out), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment |= {"PEERS_THROUGH": "1"} if through else {}
        chosen = [f"{path}::{name}" for name in names] or [str(path)]
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", folder, "-p", "no:randomly"]
        command += ["-p", "no:cacheprovider", "-p", "benchmarks.campaign.peers_plugin", "-W", "ignore", *chosen]
        subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900
        )
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
    return [line["test"].split("::", 1)[1] for line in lines if line["outcome"] == "failed"]


@campaign(
    "peers",
    about="cvxpy's test modules through the tail method: what fails only here",
    full=len(MODULES),
    sample=1,
    never=(ONLY_HERE,),
    sources=("benchmarks/campaign/peers_plugin.py",),
    repeatable=False,
)
def case(number: int) -> str:
    """ "as without us", or that tests fail only here; which, is printed."""
    failed = only_here(MODULES[number])
    if failed:
        print(f"{MODULES[number]}: {', '.join(failed)}", file=sys.stderr)
    return ONLY_HERE if failed else "as without us"


def main(folders: list[str]) -> int:
    """Print every test of every ``test_*.py`` in ``folders`` that fails only here; 1 where there is one."""
    found = [
        f"{path}::{name}" for folder in folders for path in sorted(Path(folder).resolve().rglob("test_*.py"))
        for name in only_here(str(path))
    ]  # fmt: skip
    print("\n".join(found) or "nothing fails only here")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
