"""The page of a sweep: its trials, the winner, and the winner's Sharpe ratio corrected for the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.backtest.results.figures import ranking_plot
from hedgeopt.backtest.results.tables import comparison_rows
from hedgeopt.backtest.results.template import PageTable
from hedgeopt.files.counted import many
from hedgeopt.reports.render import render
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.backtest.sweep.outcome import SweepResult

__all__ = ["deflated_words", "noise_words", "setting_words", "sweep_page", "value_words"]

_SHOWN = 30
_CREDIBLE = 0.95
_MEASURES = ("sharpe_per_step", "total_pnl", "volatility", "cvar_95", "max_drawdown", "cost", "turnover", "liquidations")


def sweep_page(result: SweepResult) -> str:
    """HTML text."""
    measure = result.objective.split()[1]
    by_sharpe = measure == "sharpe_per_step"
    varied = list(result.winner)
    shown = result.trials.head(_SHOWN)
    rows = [
        [str(row["trial"]), *(value_words(row[name]) for name in varied), *(number(float(row[name])) for name in _MEASURES)]
        for row in shown.to_dict(orient="records")
    ]
    columns = [("trial", True), *((name, False) for name in varied), *((name.replace("_", " "), True) for name in _MEASURES)]
    left = len(result.trials) - len(shown)
    caption = f"{measure.replace('_', ' ')} of every trial, best first"
    if by_sharpe:
        caption += "; dashed: what the best of as many trials without skill is expected to reach."
    return render(
        "sweep.html",
        result=result,
        words={
            "title": f"{result.name}: the best of {many(len(result.trials), 'trial')}.",
            "winner": setting_words(result),
            "deflated": deflated_words(result),
            "tone": "good" if result.deflated.probability >= _CREDIBLE else "warn",
            "noise": noise_words(result),
        },
        plot=ranking_plot(
            [float(value) for value in result.trials[measure]],
            result.deflated.threshold if by_sharpe else None,
            measure.replace("_", " "),
        ),
        caption=caption,
        trials=PageTable(columns, rows),
        trials_note=f"And {left} more in trials.csv." if left else "",
        rivals=comparison_rows(result.rivals),
    )


def setting_words(result: SweepResult) -> str:
    """The winner's setting."""
    return ", ".join(f"{name} = {value_words(value)}" for name, value in result.winner.items()) + "."


def value_words(value: object) -> str:
    """A value of a setting, near to how TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {value_words(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_words(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def deflated_words(result: SweepResult) -> str:
    """The winner's figures, corrected for the search."""
    d = result.deflated
    verdict = "beyond luck" if d.probability >= _CREDIBLE else "not beyond luck"
    return (
        f"Sharpe ratio {number(d.sharpe, 3)} per step, {number(d.threshold, 3)} expected of the best of {d.trials} trials "
        f"({number(d.effective, 3)} independent) without skill. Probability that it is better than that: "
        f"{d.probability:.3f}, {verdict}."
    )


def noise_words(result: SweepResult) -> str:
    """Whether the winner is distinguishable from the next best."""
    if result.rivals.empty:
        return "No other trial was run on the same steps."
    pnl = result.rivals[result.rivals["statistic"] == "total_pnl"]
    noise = int((pnl["verdict"] == "noise").sum())
    return f"Against {noise} of the next {many(len(pnl), 'trial')} the difference of P&L is noise."
