"""The quick search over chosen columns is a help: where it fails, the whole program is asked."""

from __future__ import annotations

import pytest

import hedgeopt as ho
from hedgeopt.backtest.policies.optimizer import Optimizer


def test_a_quick_search_that_fails_leaves_it_to_the_whole_program(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Optimizer(ho.Policy(ho.TransactionCost(), [ho.Delta("BTC").within(-1.0, 1.0)]))

    def fails(e: object) -> None:
        raise ho.CertificateError("the solver stopped early")

    monkeypatch.setattr(policy._columns, "solve", fails)
    assert policy._quick(None) is None  # type: ignore[arg-type]
