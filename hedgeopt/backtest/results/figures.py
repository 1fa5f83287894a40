"""Plots of the backtest pages: inline SVG in the house style, one colour per policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.backtest.results.measures import drawdown_path
from hedgeopt.files.counted import many
from hedgeopt.reports.drawing import AFTER, GRID, INK, new_figure, svg_text, thousands

if TYPE_CHECKING:
    from hedgeopt.backtest.results.promise import TailReport

__all__ = ["attribution_plot", "margin_plot", "pnl_plot", "ranking_plot", "tail_plot"]

# stand-ins for the page's colours --p0, --p1, ...: matplotlib writes them, _pagesvg_text turns them into CSS variables
_PALETTE = tuple(f"#a0b0c{k}" for k in range(8))
_STYLES = ("solid", (0, (4, 2)), (0, (1, 1.5)))


def pnl_plot(pnl: Mapping[str, pd.Series], name: str = "pnl") -> str:
    """Cumulated P&L of each policy, and below it the distance from its highest point, USD."""
    from matplotlib.figure import Figure

    figure, upper = new_figure(11.6, 3.6)
    _dates(upper)
    lower: Any = None
    if len(next(iter(pnl.values()))) > 8:
        figure, (upper, lower) = _stacked()
    assert isinstance(figure, Figure)
    for k, (policy, series) in enumerate(pnl.items()):
        color, style = _look(k)
        upper.plot(series.index, series.cumsum(), color=color, linestyle=style, linewidth=1.7, label=policy)
        if lower is not None:
            lower.plot(series.index, -drawdown_path(series.to_numpy()), color=color, linestyle=style, linewidth=1.2)
    upper.axhline(0.0, color=INK, linewidth=0.6)
    upper.set_ylabel("P&L, USD")
    upper.legend(frameon=False, loc="best", fontsize=8.5)
    thousands(upper.yaxis)
    if lower is not None:
        lower.set_ylabel("drawdown, USD")
        thousands(lower.yaxis)
    return _page_svg(figure, name, f"Line chart: cumulated P&L of {_names(pnl)}, USD")


def attribution_plot(attribution: Mapping[str, Mapping[str, float]]) -> str:
    """P&L by source, one bar per policy and source, USD."""
    sources = list(next(iter(attribution.values())))
    figure, axes = new_figure(11.6, 3.2)
    width = 0.8 / len(attribution)
    for k, (policy, totals) in enumerate(attribution.items()):
        places = np.arange(len(sources)) + (k - (len(attribution) - 1) / 2) * width
        axes.bar(places, [totals[source] for source in sources], width=0.9 * width, color=_look(k)[0], label=policy)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(sources)), sources)
    axes.set_ylabel("USD")
    axes.legend(frameon=False, loc="best", fontsize=8.5)
    thousands(axes.yaxis)
    return _page_svg(figure, "attribution", f"Bar chart: P&L by source of {_names(attribution)}, USD")


def tail_plot(tail: TailReport, name: str) -> str:
    """Loss after each decision against what it promised; hits stand out."""
    pairs = tail.pairs
    figure, axes = new_figure(11.6, 2.6)
    _dates(axes)
    hit = pairs["hit"].to_numpy(dtype=bool)
    width = max(1.0, 500.0 / max(len(pairs), 1))  # points; the axes are some 700 wide
    for chosen, color in ((~hit, _PALETTE[4]), (hit, _PALETTE[6])):
        axes.vlines(pairs.index[chosen], 0.0, pairs["loss"][chosen], color=color, linewidth=min(width, 8.0))
    axes.plot(pairs.index, pairs["value_at_risk"], color=AFTER, linewidth=1.1, linestyle=(0, (3, 2)), label="promised VaR")
    axes.plot(pairs.index, pairs["cvar"], color=AFTER, linewidth=1.6, label="promised CVaR")
    axes.axhline(0.0, color=INK, linewidth=0.6)
    axes.set_ylabel("loss, USD")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=8.5)
    thousands(axes.yaxis)
    return _page_svg(
        figure, name, f"Line chart: losses after decisions, {int(hit.sum())} of {len(pairs)} above the promised VaR"
    )


def margin_plot(usage: Mapping[str, pd.Series]) -> str:
    """Margin over equity, per cent, cut at 200."""
    figure, axes = new_figure(11.6, 2.4)
    _dates(axes)
    for k, (policy, series) in enumerate(usage.items()):
        color, style = _look(k)
        axes.plot(series.index, np.minimum(100.0 * series, 200.0), color=color, linestyle=style, linewidth=1.5, label=policy)
    axes.axhline(100.0, color=INK, linewidth=0.6, linestyle=(0, (1, 3)))
    axes.set_ylabel("margin usage, %")
    axes.legend(frameon=False, loc="best", fontsize=8.5)
    return _page_svg(figure, "margin", f"Line chart: margin usage of {_names(usage)}, per cent")


def ranking_plot(values: Sequence[float], threshold: float | None, label: str) -> str:
    """Trials from best to worst; the line is what the best of as many lucky ones would have reached."""
    figure, axes = new_figure(11.6, 2.8)
    axes.plot(np.arange(1, len(values) + 1), values, color=_PALETTE[0], marker="o", markersize=3.5, linewidth=1.0)
    axes.axhline(0.0, color=INK, linewidth=0.6)
    if threshold is not None:
        axes.axhline(threshold, color=_PALETTE[6], linewidth=1.2, linestyle=(0, (3, 2)))
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    if max(map(abs, values)) >= 1000.0:
        thousands(axes.yaxis)
    axes.set_xlabel("rank")
    axes.set_ylabel(label)
    return _page_svg(figure, "ranking", f"Line chart: {label} of {many(len(values), 'trial')} from best to worst")


def _stacked() -> Any:
    """Two axes over one another that share time, the upper one twice as high."""
    from matplotlib.figure import Figure

    donor, _ = new_figure(1.0, 1.0)  # sets the fonts
    del donor
    figure = Figure(figsize=(11.6, 4.8), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for one in axes:
        one.set_facecolor("none")
        one.tick_params(colors=INK, labelsize=8.5, length=0)
        one.grid(color=GRID, linewidth=0.7)
        one.set_axisbelow(True)
        one.yaxis.label.set_color(INK)
        one.yaxis.label.set_fontsize(9)
        for side, spine in one.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    _dates(axes[1])
    return figure, axes


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.offsetText.set_color(INK)
    axes.xaxis.offsetText.set_fontsize(8.5)


def _look(k: int) -> tuple[str, Any]:
    """Colour and line of the k-th policy: no two next to each other differ by colour alone."""
    return _PALETTE[k % len(_PALETTE)], _STYLES[k % len(_STYLES)]


def _names(policies: Mapping[str, Any]) -> str:
    return ", ".join(map(str, policies))


def _page_svg(figure: Any, name: str, label: str) -> str:
    svg = svg_text(figure, name, label)
    for k, color in enumerate(_PALETTE):
        svg = svg.replace(color, f"var(--p{k})")
    return svg
