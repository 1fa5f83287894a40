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
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import cvxpy as cp  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

from benchmarks.tail_family_cases import Array, Instance, Spec, Tail, evaluate, instance  # noqa: E402

Answer = tuple[Array, dict[str, Any]]


def cost_of(x: Any, cost: Array, form: str) -> Any:
    """``cost'|x|`` as different people write it."""
    if form == "abs":
        return cost @ cp.abs(x)
    if form == "norm1":
        return cp.norm1(cp.multiply(cost, x))
    if form == "pos_neg":
        return cost @ cp.pos(x) + cost @ cp.neg(x)
    return cp.sum(cp.maximum(cp.multiply(cost, x), cp.multiply(-cost, x)))


def program(made: Instance, cvar: Callable[[Any, Tail], Any]) -> tuple[cp.Problem, Any]:
    """The instance in its form."""
    n, form, limits = len(made.mu), made.spec.form, []
    boxed = bool(np.isfinite(made.size).all())
    if len(made.whole):
        x = cp.Variable(n, integer=[made.whole])
        limits += [cp.abs(x) <= made.size] if boxed else []
        total = cp.abs(x)
        price = made.cost @ total
    elif made.long_only:
        x = cp.Variable(n)
        limits += [x >= 0, *([x <= made.size] if boxed else [])]
        total, price = x, made.cost @ x
    elif form == "buy_sell":
        bounds = [0, made.size] if boxed else [0, None]
        buy, sell = cp.Variable(n, bounds=bounds), cp.Variable(n, bounds=bounds)
        x, total = buy - sell, buy + sell
        price = made.cost @ total
    else:
        x = cp.Variable(n, bounds=[-made.size, made.size]) if boxed and form == "pos_neg" else cp.Variable(n)
        if boxed and form != "pos_neg":
            limits += [cp.abs(x) <= made.size] if form == "abs" else [x <= made.size, x >= -made.size]
        total, price = cp.abs(x), cost_of(x, made.cost, form)
    if len(made.G):
        fixed = made.lower == made.upper
        limits += [made.G[fixed] @ x == made.lower[fixed]] if fixed.any() else []
        limits += (
            [made.G[~fixed] @ x <= made.upper[~fixed], made.G[~fixed] @ x >= made.lower[~fixed]] if (~fixed).any() else []
        )
    if np.isfinite(made.turnover):
        limits.append(cp.sum(total) <= made.turnover)
    if made.F is not None:
        limits.append(cp.norm(made.F @ x) <= made.radius)
    goal = made.mu @ x if made.mu.any() else 0.0
    goal = goal + price if made.cost.any() else goal
    if made.Q is not None:
        goal = goal + 0.5 * cp.quad_form(x, cp.psd_wrap(made.Q))
    for tail in made.tails:
        level = cvar(-(tail.P @ x) - tail.base, tail)
        goal = goal + tail.weight * level if tail.weight else goal
        limits += [level <= tail.budget] if tail.budget is not None else []
    return cp.Problem(cp.Minimize(goal), limits), x


def tail(made: Instance) -> Answer:
    """Ours; the gap is proven anew from the data by ``tail.verify``."""
    import hedgeopt.tail as tails

    problem, x = program(made, lambda e, t: cp.cvar(e, t.beta) if t.p is None else tails.cvar(e, t.beta, t.p))
    options: dict[str, Any] = {"threads": 1, "verbose": "FAMILY_VERBOSE" in os.environ}
    if "FAMILY_SECONDS" in os.environ:
        options["time_limit"] = float(os.environ["FAMILY_SECONDS"])
    began = time.process_time()
    problem.solve(method="tail", **options)
    spent = time.process_time() - began
    stats = problem.solver_stats.extra_stats
    told = {k: float(v) for k, v in stats.items() if isinstance(v, int | float)}
    told |= {"status": problem.status, "master": stats["master"], "failures": stats["failures"], "cpu_seconds": spent}
    weights = np.array(x.value, dtype=float)
    if not len(made.whole):
        verified = tails.verify(problem)
        told |= {"outside_gap": verified.gap, "outside_lower": verified.lower, "outside_violation": verified.violation}
    began = time.process_time()
    problem.solve(method="tail", **options)
    return weights, told | {"again_cpu_seconds": time.process_time() - began}


def _cvxpy(solver: str | None, **options: Any) -> Callable[[Instance], Answer]:
    def solve(made: Instance) -> Answer:
        def level(e: Any, t: Tail) -> Any:
            if t.p is None:
                return cp.cvar(e, t.beta)
            alpha = cp.Variable()
            return alpha + (t.p / (1 - t.beta)) @ cp.pos(e - alpha)

        problem, x = program(made, level)
        began = time.process_time()
        problem.solve(**({} if solver is None else {"solver": solver}), **options)
        return np.asarray(x.value), {"cpu_seconds": time.process_time() - began, "status": problem.status}

    return solve


def dual_program(made: Instance) -> tuple[Any, ...]:
    """Whole dual LP, written column by column: one bounded column per scenario, one row per instrument and tail.

    ``min sum base'Q + B m + hi'u - lo'l + size'(a + b)`` with ``|mu - sum P'Q + G'(u - l) + a - b| <= cost``,
    ``Q <= m caps`` and ``sum Q = m``; its row duals are the plan.
    """
    n, inf = len(made.mu), np.inf
    S = len(made.tails[0].base)
    uses = [(t, True) for t in made.tails if t.weight] + [(t, False) for t in made.tails if t.budget is not None]
    budgets = [u for u in uses if not u[1]]
    rows = n + len(uses)
    blocks, cost, upper = [], [], []
    for k, (t, priced) in enumerate(uses):
        caps = (np.full(S, 1 / S) if t.p is None else t.p) / (1 - t.beta)
        one = np.zeros((len(uses), S))
        one[k] = 1.0
        blocks.append((np.asfortranarray(-t.P.T), one))
        cost.append(t.base)
        upper.append(t.weight * caps if priced else np.full(S, inf))
    lower = [np.zeros(S * len(uses))]
    tops: list[Any] = [np.hstack([b[0] for b in blocks])]
    lows: list[Any] = [np.hstack([b[1] for b in blocks])]
    if budgets:
        m = np.zeros((len(uses), len(budgets)))
        for j in range(len(budgets)):
            m[len(uses) - len(budgets) + j, j] = -1.0
        tops.append(np.zeros((n, len(budgets))))
        lows.append(m)
        cost.append(np.array([t.budget for t, _ in budgets]))
        upper.append(np.full(len(budgets), inf))
        lower.append(np.zeros(len(budgets)))
    if len(made.G):
        tops.append(np.hstack((made.G.T, -made.G.T)))
        lows.append(np.zeros((len(uses), 2 * len(made.G))))
        cost.append(np.concatenate((made.upper, -made.lower)))
        upper.append(np.full(2 * len(made.G), inf))
        lower.append(np.zeros(2 * len(made.G)))
    dense = np.vstack((np.hstack(tops), np.hstack(lows)))
    A = sp.csc_array(dense) if len(uses) > 1 else _dense_columns(dense)
    if np.isfinite(made.size).all():
        eye = sp.vstack([sp.eye_array(n), sp.csc_array((len(uses), n))])
        A = sp.csc_array(sp.hstack([A, eye] if made.long_only else [A, eye, -eye]))
        times = 1 if made.long_only else 2
        cost.append(np.tile(made.size, times))
        upper.append(np.full(times * n, inf))
        lower.append(np.zeros(times * n))
    right = np.concatenate([t.weight * np.ones(1) if priced else np.zeros(1) for t, priced in uses])
    low = np.concatenate(((-made.mu - made.cost), right))
    high = np.concatenate((np.full(n, inf) if made.long_only else made.cost - made.mu, right))
    whole_cost, whole_upper = np.concatenate(cost), np.concatenate(upper)
    if budgets:
        # Under a budget the caps move with the multiplier: a row per scenario.
        caps_rows = []
        first = (len(uses) - len(budgets)) * S
        column = len(uses) * S
        for j, (t, _) in enumerate(budgets):
            caps = (np.full(S, 1 / S) if t.p is None else t.p) / (1 - t.beta)
            at = np.arange(S)
            entries = np.concatenate((np.ones(S), -caps))
            where = np.concatenate((first + j * S + at, np.full(S, column + j)))
            caps_rows.append(sp.csc_array((entries, (np.concatenate((at, at)), where)), (S, A.shape[1])))
        A = sp.csc_array(sp.vstack([A, *caps_rows]))
        low = np.concatenate((low, np.full(S * len(budgets), -inf)))
        high = np.concatenate((high, np.zeros(S * len(budgets))))
        rows += S * len(budgets)
    return A, whole_cost, np.concatenate(lower), whole_upper, low, high


def _dense_columns(dense: Array) -> Any:
    rows, columns = dense.shape
    starts, index = np.arange(columns + 1) * rows, np.tile(np.arange(rows, dtype=np.int32), columns)
    return sp.csc_array((dense.ravel(order="F"), index, starts), shape=dense.shape)


def _dual(solver: str, **options: Any) -> Callable[[Instance], Answer]:
    def solve(made: Instance) -> Answer:
        import highspy

        A, cost, lower, upper, low, high = dual_program(made)
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = A.shape
        lp.col_cost_, lp.col_lower_, lp.col_upper_, lp.row_lower_, lp.row_upper_ = cost, lower, upper, low, high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
        h = highspy.Highs()
        for name, value in ({"output_flag": False, "threads": 1, "solver": solver} | options).items():
            h.setOptionValue(name, value)
        h.passModel(lp)
        began = time.process_time()
        h.run()
        spent = time.process_time() - began
        x = np.asarray(h.getSolution().row_dual)[: len(made.mu)]
        values = [(evaluate(made, s * x), s) for s in (1.0, -1.0)]
        best = min(values, key=lambda v: (v[0][1] > 1e-4, v[0][0]))
        told = {"cpu_seconds": spent, "status": h.modelStatusToString(h.getModelStatus())}
        return best[1] * x, told

    return solve


def _cvqp(made: Instance) -> Answer:
    import cvqp

    (t,) = made.tails
    S, n = t.P.shape
    boxed = np.isfinite(made.size).all()
    eye = np.eye(n)
    A = np.hstack((-t.P, np.zeros((S, n)), -np.ones((S, 1)), -t.base[:, None]))
    q = np.concatenate((made.mu, made.cost, [1.0, 0.0]))
    zero = np.zeros((n, 2))
    top = made.size if boxed else np.full(n, np.inf)
    B = [
        np.hstack((eye, eye, zero)),
        np.hstack((eye, -eye, zero)),
        np.hstack((eye, 0 * eye, zero)),
        np.eye(1, 2 * n + 2, 2 * n + 1),
    ]
    low = [np.zeros(n), np.full(n, -np.inf), np.zeros(n) if made.long_only else -top, np.ones(1)]
    high = [np.full(n, np.inf), np.zeros(n), top, np.ones(1)]
    if len(made.G):
        B.append(np.hstack((made.G, np.zeros((len(made.G), n + 2)))))
        low.append(made.lower)
        high.append(made.upper)
    settings = cvqp.Settings(abstol=1e-7, reltol=1e-7)
    began = time.process_time()
    found = cvqp.solve(None, q, A, np.vstack(B), np.concatenate(low), np.concatenate(high), t.beta, 0.0, settings=settings)
    return found.x[:n], {"cpu_seconds": time.process_time() - began, "status": str(found.status)}


CLARABEL = {"tol_gap_rel": 1e-8, "tol_feas": 1e-8}
RIVALS: dict[str, Callable[[Instance], Answer]] = {
    "tail": tail,
    "dual_simplex": _dual("simplex"),
    "dual_ipm": _dual("ipm", run_crossover="off"),
    "dual_ipx": _dual("ipx", run_crossover="off"),
    "dual_hipo": _dual("hipo", run_crossover="off"),
    "dual_pdlp": _dual("pdlp", pdlp_optimality_tolerance=1e-7),
    "cvxpy_default": _cvxpy(None),
    "cvxpy_highs": _cvxpy("HIGHS"),
    "clarabel": _cvxpy("CLARABEL", **CLARABEL),
    "piqp": _cvxpy("PIQP"),
    "qoco": _cvxpy("QOCO"),
    "cvqp": _cvqp,
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
    value, violation = evaluate(made, np.asarray(x, dtype=float))
    return told | {"objective": value, "violation": violation, "source": made.source}


if __name__ == "__main__":
    main()
