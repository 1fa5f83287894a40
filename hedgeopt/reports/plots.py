"""The plots of the pages as inline SVG; each is drawn twice, for wide screens and paper and for phones.

Before trading is grey and dashed or hollow, after it blue and solid: nothing is told by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt.models.data import dollar_assets
from hedgeopt.models.numeraire import counted_in
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS
from hedgeopt.reports.drawing import AFTER, BEFORE, INK, PAGE, new_figure, new_grid, svg_text, thousands
from hedgeopt.reports.words import number, short_unit

if TYPE_CHECKING:
    from hedgeopt.measures.figures import LossDistribution
    from hedgeopt.measures.price_profile import SpotProfile
    from hedgeopt.measures.risk import RiskReport

__all__ = ["greeks_plot", "loss_plot", "profile_plot"]

_GREEKS = ("delta", "gamma", "vega", "theta")
_DASHED: Any = (0, (4, 2))
_PHONE, _TEXT, _PHONE_TEXT = 4.6, 9.5, 11.0


def profile_plot(profile: SpotProfile, *, narrow: bool = False, single: bool = False, unit: str = "USD") -> str:
    """P&L in ``unit`` against the relative move of one underlying; ``single``: nothing is traded."""
    figure, axes = new_figure(_PHONE, 3.1, text=_PHONE_TEXT) if narrow else new_figure(5.6, 3.1, text=_TEXT)
    percent = 100.0 * profile.moves
    axes.axhline(0.0, color=INK, linewidth=0.6)
    axes.axvline(0.0, color=INK, linewidth=0.6, linestyle=(0, (1, 3)))
    if single:
        axes.plot(percent, profile.before, color=AFTER, linewidth=2.0)
    else:
        axes.plot(percent, profile.before, color=BEFORE, linewidth=1.8, linestyle=_DASHED, label="before")
        axes.plot(percent, profile.after, color=AFTER, linewidth=2.0, label="after")
        axes.legend(frameon=False, labelcolor=INK, loc="best", fontsize=_PHONE_TEXT if narrow else _TEXT)
    axes.set_xlim(percent[0], percent[-1])
    axes.set_xlabel(f"{profile.asset} move, %")
    axes.set_ylabel(f"P&L, {unit}")
    thousands(axes.yaxis)
    told = []
    for name, pnl in (("P&L", profile.before),) if single else (("before", profile.before), ("after", profile.after)):
        at = (f"{move:+.0%} {number(float(np.interp(move, profile.moves, pnl)))}" for move in (-0.3, -0.1, 0.1, 0.3))
        told.append(f"{name} {', '.join(at)}")
    label = f"Line chart: P&L in {unit} against a move of {profile.asset}: {'; '.join(told)}".replace("-", "−")
    return svg_text(figure, f"profile-{profile.asset}{'-narrow' if narrow else ''}", label)


def loss_plot(losses: LossDistribution, *, narrow: bool = False, single: bool = False, unit: str = "USD") -> str:
    """Loss distributions before and after, with value at risk and CVaR marked; the tail is drawn in full."""
    text = _PHONE_TEXT if narrow else _TEXT
    figure, axes = new_figure(_PHONE, 4.2, text=text) if narrow else new_figure(10.0, 3.4, text=text)
    edges, level, both = losses.edges, losses.level, (losses.before, losses.after)
    tallest = max(float(heights.max()) for heights in both)
    looks: list[tuple[int, str, str, Any]] = [(0, "before", BEFORE, _DASHED), (1, "after", AFTER, "solid")]
    looks = [(0, "book", AFTER, "solid")] if single else looks
    for k, name, color, style in looks:
        axes.stairs(both[k], edges, color=color, linewidth=1.4, linestyle=style, fill=False, label=name)
        axes.stairs(both[k], edges, color=color, alpha=0.18, fill=True)
    box = {"facecolor": PAGE, "edgecolor": "none", "pad": 1.5}
    marks = []
    for k, name, color, style in looks:
        for measure, values, top in (("VaR", losses.value_at_risk, 0.50), ("CVaR", losses.cvar, 0.74)):
            height = tallest * (top + 0.12 * k)
            axes.vlines(values[k], 0.0, height, color=color, linewidth=1.4, linestyles=style)
            marks.append(f"{measure} {'' if single else name + ' '}{number(values[k])}")
            right = values[k] > edges[0] + 0.85 * (edges[-1] - edges[0])
            axes.text(
                values[k], height + 0.02 * tallest, measure if narrow else marks[-1], color=INK, fontsize=text,
                ha="right" if right else "center", bbox=box,
            )  # fmt: skip
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.0, tallest * 1.05)
    axes.set_ylabel("scenarios, %")
    thousands(axes.xaxis, 4 if narrow else 7)
    if narrow:
        axes.set_xlabel("\n".join([f"loss over the horizon, {unit}", *marks]))
    else:
        axes.set_xlabel(f"loss over the horizon, {unit}")
    axes.legend(frameon=False, labelcolor=INK, loc="upper right", fontsize=text)
    label = f"Histogram of losses over the horizon, {unit}, at {100 * level:g} %: {'; '.join(marks)}"
    return svg_text(figure, "losses-narrow" if narrow else "losses", label)


def greeks_plot(before: RiskReport, after: RiskReport, *, narrow: bool = False) -> str:
    """Net Greeks by underlying, one small panel per Greek: units differ between Greeks."""
    text, single = _PHONE_TEXT if narrow else _TEXT, before is after
    assets = [asset for asset in before.greeks if asset not in dollar_assets() and not is_peg(asset)]
    height = 0.6 + 0.62 * max(len(assets), 1)
    figure, grid = new_grid(_PHONE, 2 * height, 2, 2, text) if narrow else new_grid(10.0, height, 1, len(_GREEKS), text)
    told = []
    for at, (axes, name) in enumerate(zip(grid.flat, _GREEKS, strict=True)):
        scale = [max(abs(before.greeks[a][name]), abs(after.greeks[a][name]), 1e-12) for a in assets]
        for k, asset in enumerate(assets):
            for values, hollow, offset in ((before, True, 0.19), (after, False, -0.19)):
                if single and hollow:
                    continue
                value, y = values.greeks[asset][name], len(assets) - 1 - k + (0.0 if single else offset)
                look: dict[str, Any] = {"fill": False, "edgecolor": BEFORE, "linewidth": 1.3} if hollow else {"color": AFTER}
                axes.barh(y, value / scale[k], height=0.32, **look)
                # the number goes on the empty side of the axis, so that no bar covers it
                side = "right" if value >= 0 else "left"
                at_side = -0.05 if value >= 0 else 0.05
                axes.text(at_side, y, number(value), va="center", ha=side, fontsize=text, color=INK)
            pair = (before,) if single else (before, after)
            told.append(f"{asset} {name} " + " to ".join(number(one.greeks[asset][name]) for one in pair))
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_xlim(-1.12, 1.12)
        axes.set_ylim(-0.6, max(len(assets), 1) - 0.4)
        named = at % 2 == 0 if narrow else at == 0
        axes.set_yticks(range(len(assets)), assets[::-1] if named else [""] * len(assets))
        axes.set_xticks([])
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_title(
            f"{name}, {short_unit(counted_in(GREEK_UNITS[name], before.unit))}", fontsize=text, loc="left", color=INK
        )
    label = f"Bar chart of net Greeks{'' if single else ', before and after'}: {'; '.join(told)}"
    return svg_text(figure, "greeks-narrow" if narrow else "greeks", label)
