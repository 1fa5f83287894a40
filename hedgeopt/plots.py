"""The proposal page's plots, as inline SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.profile import SpotProfile
from hedgeopt.summary import number, short_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hedgeopt.risk import RiskReport

__all__ = ["greeks_plot", "loss_plot", "profile_plot"]

# stand-ins that the page's style sheet decides: matplotlib writes them, _svg turns them into CSS variables
_BEFORE, _AFTER, _INK, _GRID, _PAGE = "#a1a1a2", "#0b5fa6", "#1c1c1d", "#d8d8d9", "#fefefd"
_VARIABLES = {
    _BEFORE: "var(--before)",
    _AFTER: "var(--after)",
    _INK: "var(--ink)",
    _GRID: "var(--grid)",
    _PAGE: "var(--page)",
}
_GREEKS = ("delta", "gamma", "vega", "theta")


def profile_plot(profile: SpotProfile) -> str:
    """P&L in USD against the relative move of one underlying."""
    figure, axes = _figure(5.6, 3.1)
    percent = 100.0 * profile.moves
    axes.axhline(0.0, color=_INK, linewidth=0.6)
    axes.axvline(0.0, color=_INK, linewidth=0.6, linestyle=(0, (1, 3)))
    axes.plot(percent, profile.before, color=_BEFORE, linewidth=1.8, label="before")
    axes.plot(percent, profile.after, color=_AFTER, linewidth=2.0, label="after")
    axes.set_xlim(percent[0], percent[-1])
    axes.set_xlabel(f"{profile.asset} move, %")
    axes.set_ylabel("P&L, USD")
    _thousands(axes.yaxis)
    axes.legend(frameon=False, labelcolor=_INK, loc="best")
    return _svg(figure, f"profile-{profile.asset}")


def loss_plot(losses: Sequence[np.ndarray], probabilities: np.ndarray | None, level: float) -> str:
    """Loss distributions before and after, with value at risk and CVaR marked; the tail is drawn in full."""
    figure, axes = _figure(11.6, 3.4)
    low = float(min(np.quantile(loss, 0.001) for loss in losses))
    high = float(max(tail_loss(loss, level, probabilities) for loss in losses)) * 1.25
    bins = np.linspace(low, max(high, low + 1.0), 90)
    tallest = 0.0
    for loss, color, name in zip(losses, (_BEFORE, _AFTER), ("before", "after"), strict=True):
        weights = np.full(len(loss), 1.0 / len(loss)) if probabilities is None else probabilities
        heights, _ = np.histogram(np.clip(loss, bins[0], bins[-1]), bins, weights=100.0 * weights)
        tallest = max(tallest, float(heights.max()))
        axes.stairs(heights, bins, color=color, linewidth=1.4, fill=False, label=name)
        axes.stairs(heights, bins, color=color, alpha=0.18, fill=True)
    label = {"facecolor": _PAGE, "edgecolor": "none", "pad": 1.5}
    for loss, color, top in zip(losses, (_BEFORE, _AFTER), (0.62, 0.86), strict=True):
        for what, value, style in (
            ("VaR", value_at_risk(loss, level, probabilities), (0, (3, 2))),
            ("CVaR", tail_loss(loss, level, probabilities), "solid"),
        ):
            axes.vlines(value, 0.0, tallest * top, color=color, linewidth=1.3, linestyles=style)
            axes.text(
                value, tallest * (top + 0.02), f"{what} {number(value)}", color=color, fontsize=8.5, ha="center", bbox=label
            )
    axes.set_xlim(bins[0], bins[-1])
    axes.set_ylim(0.0, tallest * 1.05)
    axes.set_xlabel(f"loss over the horizon, USD (VaR and CVaR at {100 * level:g} %; outermost bins hold what lies beyond)")
    axes.set_ylabel("scenarios, %")
    _thousands(axes.xaxis)
    axes.legend(frameon=False, labelcolor=_INK, loc="upper right")
    return _svg(figure, "losses")


def greeks_plot(before: RiskReport, after: RiskReport) -> str:
    """Net Greeks by underlying, one small panel per Greek: each has its own unit."""
    assets = [asset for asset in before.greeks if asset not in dollar_assets()]
    figure, grid = _figure(11.6, 0.55 + 0.62 * len(assets), columns=len(_GREEKS))
    for axes, name in zip(grid, _GREEKS, strict=True):
        scale = [max(abs(before.greeks[a][name]), abs(after.greeks[a][name]), 1e-12) for a in assets]
        for k, asset in enumerate(assets):
            for values, color, offset in ((before, _BEFORE, 0.19), (after, _AFTER, -0.19)):
                value = values.greeks[asset][name]
                y = len(assets) - 1 - k + offset
                axes.barh(y, value / scale[k], height=0.34, color=color)
                # the figure stands on the empty side of the axis, whatever the bar's length
                axes.text(
                    0.0, y, f" {number(value)} ", va="center", ha="right" if value >= 0 else "left", fontsize=8.5, color=_INK
                )
        axes.axvline(0.0, color=_INK, linewidth=0.8)
        axes.set_xlim(-1.12, 1.12)
        axes.set_ylim(-0.6, len(assets) - 0.4)
        axes.set_yticks(range(len(assets)), assets[::-1] if axes is grid[0] else [""] * len(assets))
        axes.set_xticks([])
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_title(f"{name}, {short_unit(GREEK_UNITS[name])}", fontsize=9.5, loc="left", color=_INK)
    return _svg(figure, "greeks")


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(1, columns, squeeze=False)[0]
    for axes in grid:
        axes.set_facecolor("none")
        axes.tick_params(colors=_INK, labelsize=8.5, length=0)
        axes.grid(color=_GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(_GRID)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_color(_INK)
            text.set_fontsize(9)
    return figure, grid if columns > 1 else grid[0]


def _thousands(axis: Any) -> None:
    def words(value: float, _position: int) -> str:
        for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{letter}".replace("-", "−")
        return f"{value:g}".replace("-", "−")

    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(7))
    axis.set_major_formatter(FuncFormatter(words))


def _svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element with ids of its own and colours from the page."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 var(--font)", svg)
    return re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>',
        r'<svg role="img" viewBox="\1" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">',
        svg,
        count=1,
    )
