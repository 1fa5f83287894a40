"""Index, perpetuals and futures at the moment of the quotes; and one sample that judges every policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.chains import ChainReplay
from hedgeopt.backtest.engine import simulate
from hedgeopt.backtest.policies.protocol import Decision
from hedgeopt.backtest.policies.simple import DoNothing
from hedgeopt.backtest.valuation import Promise
from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

SPOT, LATE, SLOPE = 80_000.0, 80_400.0, 12.0


def recording(folder: Path, toys: Any) -> tuple[Path, Path]:
    """Forwards on a straight line from the spot of the quotes; index and perpetual half a percent later."""
    expiries = [toys.START + timedelta(days=d) for d in (1, 2, 25)]
    frame = toys.rows_of(toys.market(toys.START, SPOT, expiries=expiries))
    days = (pd.to_datetime(frame["expiry"], utc=True) - toys.START) / pd.Timedelta(days=1)
    frame = frame.assign(underlying_price=SPOT + SLOPE * days, index_price=LATE)
    frame.to_parquet(folder / "chain.parquet")
    marks = pd.DataFrame(
        {
            "obs_datetime": [toys.START] * 3,
            "coin": "BTC",
            "instrument_name": ["BTC-PERPETUAL", "BTC-27MAR26", "BTC-24APR26"],
            "perp_futures_mark_price": [LATE * 1.0003, LATE, LATE],
        }
    )
    marks.to_csv(folder / "marks.csv", index=False)
    return folder / "chain.parquet", folder / "marks.csv"


def test_everything_stands_where_the_quotes_say(tmp_path: Path, toys: Any) -> None:
    chain, marks = recording(tmp_path, toys)
    recorded = next(iter(ChainReplay((chain,), marks=(marks,))))
    assert recorded.prices["BTC"] == LATE
    market = next(iter(ChainReplay((chain,), marks=(marks,), clock="quotes")))
    assert market.prices["BTC"] == pytest.approx(SPOT, abs=1e-6)
    assert market.quotes.loc["deribit:BTC-PERPETUAL", "mark_price"] == pytest.approx(SPOT, abs=1e-6)
    assert market.quotes.loc["deribit:BTC-27MAR26", "mark_price"] == pytest.approx(SPOT + 25 * SLOPE)
    assert "deribit:BTC-24APR26" not in market.instruments  # no option expires with it


def test_a_premium_cannot_be_read_off_one_clock(tmp_path: Path, toys: Any) -> None:
    chain, marks = recording(tmp_path, toys)
    with pytest.raises(InputError, match="recorded marks"):
        next(iter(ChainReplay((chain,), marks=(marks,), clock="quotes", funding={"BTC": "premium"})))


class Boaster:
    """Promises that nothing is lost, over its own horizon."""

    name, horizon_days = "boaster", 9.0

    def decide(self, state: Any) -> Decision:
        return Decision(promise=Promise(1.0, 0.5, 0.99))


def test_the_engine_judges_all_by_its_own_sample(toys: Any) -> None:
    scenarios = ParametricScenarios(count=500, vol={"BTC": 0.6})
    path = toys.path([80_000.0, 82_000.0, 79_000.0])
    book = toys.Given(positions={"BTC-27MAR26-80000-C": -1.0})
    own = simulate(path, book, Boaster(), Settings(scenarios=scenarios))
    assert (own.steps["promised_cvar"] == 1.0).all()
    assert own.config["horizon_days"] == 9.0
    judged = simulate(path, book, Boaster(), Settings(scenarios=scenarios, promise="engine"))
    nothing = simulate(path, book, DoNothing(), Settings(scenarios=scenarios))
    np.testing.assert_array_equal(judged.steps["promised_cvar"], nothing.steps["promised_cvar"])
    assert judged.config["horizon_days"] == 1.0
