"""Booleans that open groups of columns: found in every way to write them, and their moves."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt.tail as tail
from hedgeopt.tail.compiled import compile_base
from hedgeopt.tail.gates import Gates, find_gates
from hedgeopt.tail.integers import Relaxation, spell_out
from hedgeopt.tail.propagate import implied_bounds
from hedgeopt.tail.split import split

N = 4
P = np.random.default_rng(0).normal(size=(50, N))


def gates_of(form: str) -> tuple[Gates | None, object]:
    held = cp.Variable(N, boolean=True)
    limits = [cp.sum(held) <= 2]
    if form == "buy_sell":
        buy, sell = cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True)
        x, traded = buy - sell, buy + sell
        limits += [buy <= 3 * held, sell <= 3 * held]
    else:
        x = cp.Variable(N)
        traded = cp.abs(x)
        limits += {
            "abs": [traded <= 3 * held],
            "two_sided": [x <= 3 * held, x >= -3 * held],
            "least": [x >= 0.1 * held, x <= 0.5 * held, cp.sum(x) == 1],
            "shared": [x[:2] <= held[0], x[:2] >= -held[0], x <= 3 * held, x >= -3 * held, x[1] <= held[2]],
            "none": [traded <= 3],
        }[form]
    if form == "none":
        limits = limits[1:]
    problem = cp.Problem(cp.Minimize(tail.cvar(-(P @ x), 0.9) + 0.1 * cp.sum(traded) + 0.01 * cp.sum(held)), limits)
    relaxation = Relaxation(spell_out(split(problem)))
    relaxation.within(relaxation.first, relaxation.last)
    c = compile_base(relaxation.parts)
    import scipy.sparse as sp

    A = sp.csr_array(sp.vstack([c.A_eq, c.A_in]))
    lower = np.concatenate((c.b_eq, np.full(c.A_in.shape[0], -np.inf)))
    upper = np.concatenate((c.b_eq, c.b_in))
    free = np.full(A.shape[1], np.inf)
    low, high = implied_bounds(A, lower, upper, -free, free)
    integer = np.flatnonzero((low == 0) & (np.abs(high - 1) < 1e-6))
    high[integer] = 1.0
    return find_gates(A, lower, upper, low, high, integer, c.E), c


@pytest.mark.parametrize("form", ["abs", "two_sided", "buy_sell", "least"])
def test_each_boolean_opens_the_columns_of_its_instrument(form: str) -> None:
    gates, c = gates_of(form)
    assert gates is not None
    assert len(gates.boolean) == N
    reached = [set(np.flatnonzero(abs(c.E) @ (gates.owner == g)).tolist()) for g in range(N)]
    assert all(len(losses) == 1 for losses in reached)
    assert len(set.union(*reached)) == N
    assert gates.allowed(np.arange(N) < 2)
    assert not gates.allowed(np.arange(N) < 3)


@pytest.mark.parametrize(("form", "ways"), [("abs", 2), ("two_sided", 2), ("buy_sell", 2), ("least", 1)])
def test_moves_reach_the_losses_and_keep_to_the_rows_of_their_group(form: str, ways: int) -> None:
    gates, c = gates_of(form)
    assert gates is not None
    assert np.bincount(gates.mover, minlength=N).tolist() == [ways] * N
    change = np.asarray((gates.moves @ c.E.T).todense())
    assert np.allclose(np.abs(change).sum(axis=1), 1.0)
    inside = np.setdiff1d(np.flatnonzero(np.diff(c.A_in.indptr) == 2), np.flatnonzero(c.b_in != 0))
    assert np.max(c.A_in[inside] @ gates.moves.T.toarray()) <= 1e-12


def test_booleans_that_share_columns_are_no_gates() -> None:
    gates, _ = gates_of("shared")
    assert gates is None or len(gates.boolean) < N


def test_no_booleans_no_gates() -> None:
    assert gates_of("none")[0] is None
