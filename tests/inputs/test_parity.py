"""Forwards from put-call parity of marks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hedgeopt.inputs.chain.parity import forwards_from_marks
from hedgeopt.models.pricing.black76 import black76_price as price


def chain(true: float, recorded: float, *, inverse: bool, noise: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    strike = np.repeat(np.linspace(0.85, 1.15, 9) * 60_000, 2)
    call = np.tile([True, False], 9)
    mark = price(true, strike, 30 / 365, 0.6, call) / (true if inverse else 1.0)
    return pd.DataFrame(
        {
            "underlying": "BTC",
            "inverse": inverse,
            "expiry": pd.Timestamp("2026-03-27 08:00", tz="UTC"),
            "strike": strike,
            "right": np.where(call, "call", "put"),
            "mark_price": mark + noise * rng.normal(size=len(mark)),
            "underlying_price": recorded,
        }
    )


@pytest.mark.parametrize("inverse", [True, False])
def test_a_late_forward_is_replaced_by_the_marks_own(inverse: bool) -> None:
    forwards, largest, changed = forwards_from_marks(chain(60_030.0, 60_000.0, inverse=inverse))
    assert forwards.to_numpy() == pytest.approx(60_030.0, rel=1e-9)
    assert largest == pytest.approx(5e-4)
    assert changed == 1


@pytest.mark.parametrize("inverse", [True, False])
def test_an_agreeing_forward_stays(inverse: bool) -> None:
    forwards, _, changed = forwards_from_marks(chain(60_000.5, 60_000.0, inverse=inverse))
    assert (forwards == 60_000.0).all()
    assert changed == 0


def test_strikes_that_disagree_change_nothing() -> None:
    forwards, _, changed = forwards_from_marks(chain(60_010.0, 60_000.0, inverse=True, noise=1e-3))
    assert (forwards == 60_000.0).all()
    assert changed == 0
    few = chain(60_030.0, 60_000.0, inverse=True).iloc[:4]
    assert forwards_from_marks(few)[2] == 0
