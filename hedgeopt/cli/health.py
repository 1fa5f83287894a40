"""Examine an installation: versions, their known faults, and solvers on programs with known answers.

Everything is imported inside functions, so that a broken installation can still be examined.
"""

from __future__ import annotations

import importlib
import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from hedgeopt.cli.streams import output

__all__ = ["Diagnosis", "Finding", "diagnose"]

_NAME = "hedgeopt"


@dataclass(frozen=True)
class Finding:
    """Something about this installation; ``bad`` means that answers or outputs can't be relied on."""

    bad: bool
    about: str
    says: str
    fix: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Versions by distribution (None: not installed), the platform, and the findings."""

    python: str
    platform: str
    processors: int
    encoding: str
    packages: dict[str, str | None]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Nothing bad was found."""
        return not any(finding.bad for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "findings": [asdict(f) for f in self.findings], "healthy": self.healthy}


@dataclass(frozen=True)
class KnownFault:
    """A combination known to misbehave: PEP 440 specifiers by distribution, all of which must hold."""

    when: Mapping[str, str]
    bad: bool
    says: str
    fix: str = ""


KNOWN = (
    KnownFault(
        {"highspy": ">=1.16"},
        False,
        "prints two lines on stdout when the first Highs() of a process is made",
        "nothing to do: hedgeopt keeps them out; in your own code make the first Highs() before stdout matters",
    ),
    KnownFault(
        {"highspy": "==1.16.*"},
        False,
        "its QP solver gives up on some badly scaled programs (1.15 does not)",
        "nothing to do: hedgeopt gives quadratic programs to its own master and Clarabel",
    ),
)


def diagnose(encoding: str = "") -> Diagnosis:
    """Look at this process's Python, every distribution that hedgeopt requires, and three tiny programs.

    ``encoding`` is that of the standard output to judge; default: of our output stream.
    """
    encoding = encoding or getattr(output(), "encoding", None) or "unknown"
    required = dict(_required())
    packages = {name: _version(name) for name in (_NAME, *required)}
    findings = [
        *_bounds(packages, required),
        *_known(packages),
        *_imports(packages),
        *_runtimes(),
        *_terminal(encoding),
    ]
    if not any(finding.bad for finding in findings):
        findings += _answers()
    return Diagnosis(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=platform.platform(),
        processors=os.cpu_count() or 1,
        encoding=encoding,
        packages=packages,
        findings=tuple(findings),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _required() -> Iterator[tuple[str, Any]]:
    """Requirements in hedgeopt's metadata for this Python, extras left out."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(_NAME) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name, requirement.specifier


def _bounds(packages: Mapping[str, str | None], required: Mapping[str, Any]) -> Iterator[Finding]:
    if packages[_NAME] is None:
        yield Finding(True, _NAME, "is not installed, only importable", "pip install it, or use make demo")
    for name, allowed in required.items():
        version = packages[name]
        if version is None:
            yield Finding(True, name, "is not installed", f"install {name}{allowed}")
        elif not allowed.contains(version, prereleases=True):
            yield Finding(True, name, f"{version} is outside {allowed}", f"install {name}{allowed}")


def _known(packages: Mapping[str, str | None]) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    for known in KNOWN:
        versions = {name: packages.get(name) or _version(name) for name in known.when}
        if all(v is not None and SpecifierSet(known.when[n]).contains(v, prereleases=True) for n, v in versions.items()):
            about = ", ".join(f"{name} {version}" for name, version in versions.items())
            yield Finding(known.bad, about, known.says, known.fix)


def _imports(packages: Mapping[str, str | None]) -> Iterator[Finding]:
    for name, version in packages.items():
        if version is None:
            continue
        try:
            importlib.import_module(name.replace("-", "_"))
        except Exception as error:  # whatever a broken package raises
            told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            yield Finding(True, name, f"{version} cannot be imported: {told}", f"install {name} anew")


def _runtimes() -> Iterator[Finding]:
    """Two OpenMP runtimes of different makers in one process can hang (threadpoolctl, "multiple OpenMP")."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return
    makers = {library["prefix"] for library in threadpool_info() if library.get("user_api") == "openmp"}
    if {"libomp", "libiomp"} <= makers:
        yield Finding(
            True, "OpenMP", "libomp and libiomp are both loaded, which can hang", "install one build of each package"
        )


def _terminal(encoding: str) -> Iterator[Finding]:
    if not encoding.lower().replace("-", "").startswith("utf"):
        yield Finding(False, "stdout", f"is {encoding}: characters that it lacks are replaced by near ones", "PYTHONUTF8=1")


def _answers() -> Iterator[Finding]:
    """Programs whose answers are known, by each solver that hedgeopt reaches for; the tail's after HiGHS, in one process."""
    import cvxpy as cp
    import numpy as np

    import hedgeopt  # noqa: F401  teaches cvxpy method="tail"
    from hedgeopt._quiet import silence_highs

    silence_highs()
    x = cp.Variable(2)
    plane = cp.Problem(cp.Minimize(cp.sum(x)), [x >= np.array([1.0, 2.0])])
    circle = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [x[0] + x[1] <= 1])
    loss = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    worst = cp.Problem(cp.Minimize(cp.cvar(loss @ x, 0.5)), [cp.sum(x) == 2, x >= 0])  # the mean of the two worst of four
    tries: tuple[tuple[str, Callable[[], Any], float], ...] = (
        ("HiGHS", lambda: plane.solve(solver=cp.HIGHS), 3.0),
        ("Clarabel", lambda: circle.solve(solver=cp.CLARABEL), 0.5),
        ("the tail solver", lambda: worst.solve(method="tail"), 1.0),
    )
    for name, solve, wanted in tries:
        try:
            got = float(solve())
        except Exception as error:  # a solver's own exception, of any type
            got, told = math.nan, f"failed: {type(error).__name__}: {error}"
        else:
            told = f"gave {got!r} for {wanted!r}"
        if not math.isclose(got, wanted, rel_tol=1e-5):
            yield Finding(True, name, " ".join(told.split())[:200], "install the locked versions: requirements/run.txt")
