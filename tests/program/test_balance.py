"""Second-order cones in units of one size: the map keeps cones, and what it mends is certified."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from hedgeopt.program.balance import balance
from hedgeopt.program.cones import OwnRows
from hedgeopt.program.search import _Inwards


def square_below(sign: float, c: float = 1.0) -> OwnRows:
    """``|x|^2 <= c t`` for three trades as cvxpy writes it, in both orders, after an inequality that is no cone."""
    trades = sp.csc_array(np.vstack([np.zeros((3, 3)), -2.0 * np.eye(3)]))
    own = sp.csc_array(np.array([[1.0], [-1.0], [sign], [0.0], [0.0], [0.0]]))
    right = np.array([1e-3, c, sign * c, 0.0, 0.0, 0.0])
    return OwnRows(trades, own, right, (("nonneg", 1, None), ("soc", 5, None)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("t", [1e-4, 1e-2, 1.0])
def test_a_slack_at_the_edge_is_moved_inside_and_cones_are_kept(sign: float, t: float) -> None:
    rows = square_below(sign)
    x = np.array([0.5, -0.3, 0.1]) * t**0.5
    slack = rows.right - rows.trades @ x - rows.own @ np.array([t])
    assert slack[1] == pytest.approx(1.0 + t)
    turn = balance(rows, slack).toarray()
    moved = turn @ slack
    assert moved[0] == slack[0]
    # s0 + s1 (or s0 - s1) and the rest are 1, the other is 2 t c / |2 x|^2 = 1 / 0.35, whatever t is
    far = 1.0 / 0.35
    assert moved[1:3] == pytest.approx([(far + 1) / 2, -sign * (far - 1) / 2])
    assert np.linalg.norm(moved[3:]) == pytest.approx(1.0)
    rng = np.random.default_rng(5)
    for _ in range(50):
        tail = rng.normal(size=4)
        member = np.concatenate([[0.0], [np.linalg.norm(tail) * (1 + rng.random())], tail])
        for image in (turn @ member, turn.T @ member):
            assert image[1] >= np.linalg.norm(image[2:]) * (1 - 1e-9)
        back = np.linalg.solve(turn, member)
        assert back[1] >= np.linalg.norm(back[2:]) * (1 - 1e-9)


def test_cones_without_a_constant_side_are_left_alone() -> None:
    rows = OwnRows(sp.csc_array(-np.eye(4)), sp.csc_array((4, 0)), np.zeros(4), (("soc", 4, None),))
    assert (balance(rows, np.array([2.0, 1.0, 1.0, 1.0])).toarray() == np.eye(4)).all()


@pytest.mark.parametrize("needed", [3e-13, 1e-9, 2e-8])
def test_cones_are_drawn_in_by_little_more_than_is_needed(needed: float) -> None:
    """A relative excess says little of the step that mends it: what was enough is made smaller."""
    inwards = _Inwards()
    inwards.learn(2e-8)
    tried = []
    for _ in range(12):
        tried.append(inwards.step)
        inwards.learn(2e-8 if inwards.step < needed else 0.0)
    enough = [step for step in tried if step >= needed]
    assert min(enough) <= 1.5 * needed
    assert not _Inwards().step
