"""Differences between policies: real ones are found, noise is called noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hedgeopt.backtest.results.compare import STATISTICS, compare
from hedgeopt.errors import InputError
from hedgeopt.models.risk.cvar import tail_loss

TIMES = pd.date_range("2026-01-01", periods=150, freq="D", tz="UTC")


def series(seed: int, mean: float = 0.0, spread: float = 1000.0) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(mean, spread, len(TIMES)), index=TIMES)


def verdicts(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["statistic"], table["verdict"], strict=True))


def test_a_policy_does_not_differ_from_itself():
    table = compare({"a": series(1), "b": series(1)}, replications=300)
    assert set(table["verdict"]) == {"noise"}
    assert (table["difference"] == 0).all()


def test_what_moves_both_alike_cancels():
    market = series(1, spread=50_000.0)
    table = compare({"a": market + 30.0 + series(2, spread=50.0), "b": market}, replications=1000)
    assert verdicts(table)["total_pnl"] == "better"
    assert table["difference"][0] == pytest.approx(150 * 30.0, rel=0.2)


def test_less_risk_is_better_and_luck_is_noise():
    table = compare({"calm": series(1, spread=300.0), "wild": series(2)}, replications=1000)
    assert verdicts(table) | {"max_drawdown": "", "total_pnl": ""} == {
        "total_pnl": "", "volatility": "better", "cvar_95": "better", "max_drawdown": "",
    }  # fmt: skip
    assert verdicts(compare({"one": series(3), "two": series(4)}, replications=1000))["total_pnl"] == "noise"


def test_policies_alike_are_seldom_told_apart():
    wrong = [
        (
            compare({str(k): series(10 * seed + k) for k in range(4)}, replications=300, seed=seed)["verdict"] != "noise"
        ).groupby(lambda row: row // 6)
        for seed in range(40)
    ]
    # at most one family of six pairs in ten is falsely split at 5 %, small samples allowed for
    assert np.mean([group.any().to_numpy() for group in wrong]) < 0.1


def test_statistics_agree_with_plain_ones():
    x = series(5).to_numpy()
    assert STATISTICS["cvar_95"](x) == pytest.approx(tail_loss(-x, 0.95))
    total = np.concatenate([[0.0], np.cumsum(x)])
    deepest = max(total[:k].max() - total[k] for k in range(1, len(total)))
    assert STATISTICS["max_drawdown"](x) == pytest.approx(deepest)


def test_only_the_first_against_the_others():
    pnl = {name: series(k) for k, name in enumerate("abc")}
    assert set(compare(pnl, replications=100, only_first=True)["first"]) == {"a"}
    assert len(compare(pnl, replications=100)) == 3 * len(STATISTICS)


def test_other_steps_are_refused():
    with pytest.raises(InputError, match="same steps"):
        compare({"a": series(1), "b": series(1)[:-1]})
    with pytest.raises(InputError, match="two policies"):
        compare({"a": series(1)})
    with pytest.raises(InputError, match="at least 8"):
        compare({"a": series(1)[:5], "b": series(2)[:5]})
    with pytest.raises(InputError, match="finite"):
        compare({"a": series(1), "b": series(2).where(lambda s: s > 0)})
