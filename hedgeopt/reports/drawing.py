"""One style for the plots of every page: inline SVG that takes its colours from the page's style sheet."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from hedgeopt._extras import require_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AFTER", "BEFORE", "GRID", "INK", "PAGE", "new_figure", "svg_text", "thousands"]

# matplotlib writes these stand-ins; svg_text turns them into CSS variables, so that the style sheet sets the colours
BEFORE, AFTER, INK, GRID, PAGE = "#a1a1a2", "#0b5fa6", "#1c1c1d", "#d8d8d9", "#fefefd"
_VARIABLES = {
    BEFORE: "var(--before)",
    AFTER: "var(--after)",
    INK: "var(--ink)",
    GRID: "var(--grid)",
    PAGE: "var(--page)",
}


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes (an array of them where there are several columns)."""
    require_extra("matplotlib", "drawing charts")
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(1, columns, squeeze=False)[0]
    for axes in grid:
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, labelsize=8.5, length=0)
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(GRID)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_color(INK)
            text.set_fontsize(9)
    return figure, grid if columns > 1 else grid[0]


def thousands(axis: Any) -> None:
    """Ticks in k, m and bn."""

    def words(value: float, _position: int) -> str:
        for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{letter}".replace("-", "−")
        return f"{value:g}".replace("-", "−")

    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(7))
    axis.set_major_formatter(FuncFormatter(words))


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element with unique ids and colours from the page."""
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
