"""The proposal page's plots, as inline SVG that takes its colours from the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.reports.drawing import AFTER, BEFORE, INK, PAGE, new_figure, svg_text, thousands
from hedgeopt.reports.words import number, short_unit

if TYPE_CHECKING:
    from hedgeopt.measures.figures import LossDistribution
    from hedgeopt.measures.price_profile import SpotProfile
    from hedgeopt.measures.risk import RiskReport

__all__ = ["greeks_plot", "loss_plot", "profile_plot"]

_GREEKS = ("delta", "gamma", "vega", "theta")


def profile_plot(profile: SpotProfile) -> str:
    """P&L in USD against the relative move of one underlying."""
    figure, axes = new_figure(5.6, 3.1)
    percent = 100.0 * profile.moves
    axes.axhline(0.0, color=INK, linewidth=0.6)
    axes.axvline(0.0, color=INK, linewidth=0.6, linestyle=(0, (1, 3)))
    axes.plot(percent, profile.before, color=BEFORE, linewidth=1.8, label="before")
    axes.plot(percent, profile.after, color=AFTER, linewidth=2.0, label="after")
    axes.set_xlim(percent[0], percent[-1])
    axes.set_xlabel(f"{profile.asset} move, %")
    axes.set_ylabel("P&L, USD")
    thousands(axes.yaxis)
    axes.legend(frameon=False, labelcolor=INK, loc="best")
    return svg_text(figure, f"profile-{profile.asset}")


def loss_plot(losses: LossDistribution) -> str:
    """Loss distributions before and after, with value at risk and CVaR marked; the tail is drawn in full."""
    figure, axes = new_figure(11.6, 3.4)
    edges, level, both = losses.edges, losses.level, (losses.before, losses.after)
    tallest = max(float(heights.max()) for heights in both)
    for heights, color, name in zip(both, (BEFORE, AFTER), ("before", "after"), strict=True):
        axes.stairs(heights, edges, color=color, linewidth=1.4, fill=False, label=name)
        axes.stairs(heights, edges, color=color, alpha=0.18, fill=True)
    label = {"facecolor": PAGE, "edgecolor": "none", "pad": 1.5}
    for k, (color, top) in enumerate(zip((BEFORE, AFTER), (0.62, 0.86), strict=True)):
        for what, value, style in (
            ("VaR", losses.value_at_risk[k], (0, (3, 2))),
            ("CVaR", losses.cvar[k], "solid"),
        ):
            axes.vlines(value, 0.0, tallest * top, color=color, linewidth=1.3, linestyles=style)
            axes.text(
                value, tallest * (top + 0.02), f"{what} {number(value)}", color=color, fontsize=8.5, ha="center", bbox=label
            )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.0, tallest * 1.05)
    axes.set_xlabel(f"loss over the horizon, USD (VaR and CVaR at {100 * level:g} %; outermost bins hold what lies beyond)")
    axes.set_ylabel("scenarios, %")
    thousands(axes.xaxis)
    axes.legend(frameon=False, labelcolor=INK, loc="upper right")
    return svg_text(figure, "losses")


def greeks_plot(before: RiskReport, after: RiskReport) -> str:
    """Net Greeks by underlying, one small panel per Greek: units differ between Greeks."""
    assets = [asset for asset in before.greeks if asset not in dollar_assets()]
    figure, grid = new_figure(11.6, 0.55 + 0.62 * len(assets), columns=len(_GREEKS))
    for axes, name in zip(grid, _GREEKS, strict=True):
        scale = [max(abs(before.greeks[a][name]), abs(after.greeks[a][name]), 1e-12) for a in assets]
        for k, asset in enumerate(assets):
            for values, color, offset in ((before, BEFORE, 0.19), (after, AFTER, -0.19)):
                value = values.greeks[asset][name]
                y = len(assets) - 1 - k + offset
                axes.barh(y, value / scale[k], height=0.34, color=color)
                # the number goes on the empty side of the axis, so that no bar covers it
                axes.text(
                    0.0, y, f" {number(value)} ", va="center", ha="right" if value >= 0 else "left", fontsize=8.5, color=INK
                )
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_xlim(-1.12, 1.12)
        axes.set_ylim(-0.6, len(assets) - 0.4)
        axes.set_yticks(range(len(assets)), assets[::-1] if axes is grid[0] else [""] * len(assets))
        axes.set_xticks([])
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_title(f"{name}, {short_unit(GREEK_UNITS[name])}", fontsize=9.5, loc="left", color=INK)
    return svg_text(figure, "greeks")
