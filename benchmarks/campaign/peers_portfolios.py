"""Portfolios of skfolio, PyPortfolioOpt and Riskfolio-Lib, where installed, with every solve sent through ``method="tail"``.

One case is one optimiser with one measure. What it solves as it is shipped is solved again through us, on the same returns;
statuses and values must agree. The packages' own suites are not on PyPI (skfolio's source package has six files that solve
nothing, PyPortfolioOpt's lacks its prices): with a checkout, ``python -m benchmarks.campaign.peers FOLDER/tests`` runs one.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from benchmarks.campaign.registry import campaign

__all__ = ["ABSENT", "CASES", "DIFFERS", "INEXACT", "SAME", "both"]

INEXACT = "the same value, proven to less than ten tolerances"
SAME, DIFFERS, ABSENT, NEITHER = "as without us", "another answer than without us", "not installed", "fails without us"
DAYS, ASSETS = 100, 5
# Values agree to this share, or within this amount of returns.
_SHARE, _LEAST = 2e-4, 1e-7
_solve = cp.Problem.solve


def _returns() -> pd.DataFrame:
    r = np.random.default_rng(5)
    data = r.standard_t(4, size=(DAYS, 2)) @ r.normal(size=(2, ASSETS)) * 0.006 + 0.01 * r.standard_t(4, size=(DAYS, ASSETS))
    return pd.DataFrame(data + 1e-3, index=pd.date_range("2023-01-02", periods=DAYS, freq="B"), columns=list("abcde"))


def _skfolio(kind: str, measure: str, objective: str) -> None:
    from skfolio import RiskMeasure, optimization

    options = {"risk_measure": RiskMeasure[measure]} if measure else {}
    if objective:
        options["objective_function"] = optimization.ObjectiveFunction[objective]
    model = getattr(optimization, kind)(raise_on_failure=True, **options)
    r = _returns()
    model.fit(r, r.mean(axis=1)) if kind == "BenchmarkTracker" else model.fit(r)


def _pypfopt(kind: str, method: str, *values: float) -> None:
    from pypfopt import efficient_frontier

    r = _returns()
    second = r.cov() * 252 if kind == "EfficientFrontier" else r
    getattr(getattr(efficient_frontier, kind)(r.mean() * 252, second), method)(*values)


def _riskfolio(measure: str, objective: str) -> None:
    import riskfolio

    portfolio = riskfolio.Portfolio(returns=_returns(), alpha=0.1)
    portfolio.assets_stats(method_mu="hist", method_cov="hist")
    if measure in ("KT", "SKT"):
        portfolio.assets_stats(method_mu="hist", method_cov="hist", method_kurt="hist")
    portfolio.solvers = ["CLARABEL"]
    if portfolio.optimization(model="Classic", rm=measure, obj=objective, hist=True) is None:
        raise cp.SolverError("no weights")


def _cases() -> Iterator[tuple[str, str, Callable[[], None]]]:
    objectives = "MINIMIZE_RISK", "MAXIMIZE_RATIO", "MAXIMIZE_UTILITY"
    for measure in ("VARIANCE", "STANDARD_DEVIATION", "SEMI_VARIANCE", "SEMI_DEVIATION", "MEAN_ABSOLUTE_DEVIATION",
                    "FIRST_LOWER_PARTIAL_MOMENT", "CVAR", "EVAR", "WORST_REALIZATION", "CDAR", "MAX_DRAWDOWN",
                    "AVERAGE_DRAWDOWN", "EDAR", "ULCER_INDEX", "GINI_MEAN_DIFFERENCE"):  # fmt: skip
        for objective in objectives:
            yield "skfolio", f"MeanRisk {measure} {objective}", partial(_skfolio, "MeanRisk", measure, objective)
    for measure in ("VARIANCE", "CVAR", "CDAR", "EVAR"):
        yield "skfolio", f"RiskBudgeting {measure}", partial(_skfolio, "RiskBudgeting", measure, "")
    for kind in ("MaximumDiversification", "DistributionallyRobustCVaR", "BenchmarkTracker"):
        yield "skfolio", kind, partial(_skfolio, kind, "", "")
    for kind, method, *values in (
        ("EfficientFrontier", "min_volatility"), ("EfficientFrontier", "max_sharpe"),
        ("EfficientFrontier", "max_quadratic_utility"), ("EfficientFrontier", "efficient_risk", 0.19),
        ("EfficientFrontier", "efficient_return", 0.3), ("EfficientSemivariance", "min_semivariance"),
        ("EfficientSemivariance", "max_quadratic_utility"), ("EfficientSemivariance", "efficient_return", 0.3),
        ("EfficientCVaR", "min_cvar"), ("EfficientCVaR", "efficient_risk", 0.03), ("EfficientCVaR", "efficient_return", 0.3),
        ("EfficientCDaR", "min_cdar"), ("EfficientCDaR", "efficient_risk", 0.2), ("EfficientCDaR", "efficient_return", 0.3),
    ):  # fmt: skip
        yield "pypfopt", f"{kind} {method}", partial(_pypfopt, str(kind), str(method), *map(float, values))
    for measure in ("MV", "KT", "MAD", "GMD", "MSV", "SKT", "FLPM", "SLPM", "CVaR", "TG", "EVaR", "RLVaR", "WR", "RG",
                    "CVRG", "TGRG", "MDD", "ADD", "CDaR", "EDaR", "RLDaR", "UCI"):  # fmt: skip
        for objective in ("MinRisk", "Sharpe"):
            yield "riskfolio", f"{measure} {objective}", partial(_riskfolio, measure, objective)


CASES = list(_cases())


@contextmanager
def _noted(through: bool) -> Iterator[list[tuple[str, float]]]:
    """Statuses and values of the problems solved inside the block."""
    import hedgeopt.tail  # noqa: F401  registers the method

    notes: list[tuple[str, float]] = []

    def solve(self: cp.Problem, *args: Any, **kwargs: Any) -> Any:
        sent = through and self.is_dcp()
        try:
            return _solve(self, method="tail") if sent else _solve(self, *args, **kwargs)
        finally:
            notes.append((str(self.status), np.nan if self.value is None else float(self.value)))

    cp.Problem.solve = solve  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield notes
    finally:
        cp.Problem.solve = _solve  # type: ignore[method-assign]


def both(work: Callable[[], None]) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Notes of ``work`` as it is, and through us; where it raises, the error's name is the last note."""
    found = []
    for through in (False, True):
        with _noted(through) as notes:
            try:
                work()
            except Exception as error:
                notes.append((type(error).__name__, np.nan))
        found.append(notes)
    return found[0], found[1]


@campaign(
    "peers_portfolios",
    about="optimisers of skfolio, PyPortfolioOpt and Riskfolio-Lib, where installed, through the tail method",
    full=len(CASES),
    sample=1,
    never=(DIFFERS,),
    sources=("hedgeopt/tail",),
    repeatable=False,
)
def case(number: int) -> str:
    """ "as without us", the same value proven to less, another answer, "not installed", or what fails without us, too."""
    package, name, work = CASES[number]
    if importlib.util.find_spec(package) is None:
        return ABSENT
    without, ours = both(work)
    if without[-1:] and without[-1][0].endswith("Error"):
        return NEITHER
    # A library may try solver after solver: the last answer is the one it takes.
    (status, value), (our_status, our_value) = without[-1], ours[-1]
    near = abs(our_value - value) <= max(_SHARE * abs(value), _LEAST)
    if near and our_status == "optimal_inaccurate":
        return INEXACT
    if our_status not in (status, "optimal") or not near:
        print(f"{package} {name}: {status} {value:.9g} without us, {our_status} {our_value:.9g} through us", file=sys.stderr)
        return DIFFERS
    return SAME
