"""The figures of one run, as an object, a table and JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.measures import Drawdown, checked, drawdown, measures
from hedgeopt.backtest.results.plain import plain
from hedgeopt.backtest.results.promise import TailReport, tail_report
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.plain import json_text
from hedgeopt.models.risk.cvar import tail_loss

if TYPE_CHECKING:
    from hedgeopt.backtest.result import BacktestResult

__all__ = ["Summary", "summarize", "summary_table"]


@strict_class
@dataclass(frozen=True)
class Summary:
    """One policy on one book.

    Attributes
    ----------
    measures
        Named figures, :func:`hedgeopt.backtest.results.measures.measures`.
    attribution
        P&L by source over the whole run, USD; adds up to ``measures["total_pnl"]``.
    drawdown
        The deepest.
    tail
        Promise and outcome.
    events
        How often each kind of event happened.
    caveats
        See :class:`~hedgeopt.backtest.result.BacktestResult`.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    policy: str
    book: str
    start: pd.Timestamp
    end: pd.Timestamp
    steps: int
    measures: dict[str, float]
    attribution: dict[str, float]
    drawdown: Drawdown
    tail: TailReport
    events: dict[str, int]
    solve_seconds: float
    caveats: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is not finite is None."""
        tail = self.tail
        data = {
            "policy": self.policy,
            "book": self.book,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "steps": self.steps,
            "measures": self.measures,
            "attribution": self.attribution,
            "drawdown": {k: v.isoformat() if isinstance(v, pd.Timestamp) else v for k, v in asdict(self.drawdown).items()},
            "tail": {
                "decisions": len(tail.pairs),
                "hits": tail.hits,
                "expected_hits": tail.expected_hits,
                "mean_promised_cvar": float(tail.pairs["cvar"].mean()) if len(tail.pairs) else None,
                "realised_cvar": _realised(tail),
                "no_promise": tail.no_promise,
                "judged_share": tail.judged,
                "scaled": tail.scaled,
                "power": tail.power,
                "horizon_hours": tail.horizon / pd.Timedelta(hours=1),
                "kept": tail.kept,
                "note": tail.note,
                "coverage": [asdict(test) | {"rejected": test.rejected()} for test in tail.coverage],
                "shortfall": [asdict(test) | {"rejected": test.rejected()} for test in tail.shortfall],
            },
            "events": self.events,
            "caveats": list(self.caveats),
            "solve_seconds": self.solve_seconds,
        }
        return plain(data)

    def to_json(self) -> str:
        """The same as text."""
        return json_text(self.to_dict())


@strict_call
def summarize(result: BacktestResult, horizon: pd.Timedelta | None = None, *, seed: int = 0) -> Summary:
    """Every figure of one run.

    Parameters
    ----------
    horizon
        Of the promised CVaR; default the one in the result's config (``horizon_days``), else the distance of two steps.
    seed
        Of the simulated critical values.
    """
    steps = checked(result)
    if horizon is None and "horizon_days" in result.config:
        horizon = pd.Timedelta(days=float(result.config["horizon_days"]))
    return Summary(
        policy=result.policy,
        book=result.book,
        start=steps.index[0],
        end=steps.index[-1],
        steps=len(steps),
        measures=measures(steps),
        attribution={str(name): float(total) for name, total in result.attribution.sum().items()},
        drawdown=drawdown(steps["pnl"]),
        tail=tail_report(steps, horizon, seed=seed),
        events=dict(sorted(Counter(str(event["kind"]) for event in result.events).items())),
        solve_seconds=float(np.nansum(steps["solve_seconds"].to_numpy(dtype=float))),
        caveats=result.caveats,
    )


def _realised(tail: TailReport) -> float | None:
    """CVaR of the outcomes at the level promised, USD; None without one level."""
    levels = tail.pairs["beta"].unique()
    return float(tail_loss(tail.pairs["loss"].to_numpy(float), float(levels[0]))) if len(levels) == 1 else None


@strict_call
def summary_table(summaries: list[Summary]) -> pd.DataFrame:
    """One row per policy: the figures, the attribution (``from_*``) and whether the promised tail was kept."""
    rows = []
    for one in summaries:
        tail = one.tail
        tests = {f"p_{_short(test.name)}": test.p for test in tail.coverage}
        tests |= {f"p_{_short(test.name)}": test.p_value for test in tail.shortfall}
        row = {"book": one.book, "policy": one.policy, **one.measures}
        row |= {f"from_{name}": total for name, total in one.attribution.items()}
        row |= {"hits": tail.hits, "expected_hits": tail.expected_hits, "decisions": len(tail.pairs), **tests}
        row |= {"judged_share": tail.judged, "power": tail.power}
        rows.append(row | {"promise_kept": tail.kept})
    return pd.DataFrame(rows)


def _short(name: str) -> str:
    words = {"unconditional": "kupiec", "independence": "independence", "conditional": "conditional", "size": "z1"}
    return words.get(name.split()[0], "z2")
