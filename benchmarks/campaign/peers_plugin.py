"""pytest plugin that sends every ``problem.solve()`` of another project's tests through ``method="tail"``.

``PEERS_THROUGH=1`` switches it on; without it, the tests run as they are, for comparison. ``PEERS_OUT`` names a file that
gets one line of JSON per test: id, outcome, CPU seconds spent in solves, solves sent and solves kept (geometric,
quasiconvex and nonlinear programs, and those that are differentiated, are not convex programs as they stand).
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import cvxpy as cp
import hypothesis
import pytest

KEPT = "gp", "qcp", "nlp", "requires_grad", "solver_path"
PASSED_ON = "verbose", "warm_start", "enforce_dpp", "ignore_dpp", "canon_backend"

_solve = cp.Problem.solve
_now: dict[str, Any] = {"sent": 0, "kept": 0, "cpu": 0.0, "inside": 0}


def _through(self: cp.Problem, *args: Any, **kwargs: Any) -> Any:
    if _now["inside"]:
        return _solve(self, *args, **kwargs)
    kept = any(kwargs.get(name) for name in KEPT) or "method" in kwargs or not self.is_dcp()
    sent = bool(os.environ.get("PEERS_THROUGH")) and not kept
    _now["kept" if kept else "sent"] += 1
    begun = time.process_time()
    _now["inside"] += 1
    try:
        if not sent:
            return _solve(self, *args, **kwargs)
        passed = {name: kwargs[name] for name in PASSED_ON if name in kwargs}
        if "eps" in kwargs:
            # A finer answer that was asked for is asked for here, too.
            passed["tolerance"] = min(max(float(kwargs["eps"]), 1e-9), 1e-6)
        return _solve(self, method="tail", **passed)
    finally:
        _now["inside"] -= 1
        _now["cpu"] += time.process_time() - begun


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Count the solves of one test."""
    _now.update(sent=0, kept=0, cpu=0.0)
    yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line per test."""
    if report.when != "call" and report.outcome == "passed":
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    line = {
        "test": report.nodeid.split("site-packages/")[-1], "outcome": report.outcome, "cpu": round(_now["cpu"], 4),
        "sent": _now["sent"], "kept": _now["kept"], "why": "" if crash is None else str(crash.message)[:300],
    }  # fmt: skip
    with open(os.environ["PEERS_OUT"], "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Replace ``Problem.solve`` before any test module is imported."""
    import hedgeopt.tail  # noqa: F401  registers the method

    hypothesis.settings.register_profile("peers", deadline=None)  # how fast an example is depends on the machine
    hypothesis.settings.load_profile("peers")
    cp.Problem.solve = _through  # type: ignore[method-assign]
