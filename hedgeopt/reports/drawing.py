"""One style for the plots of every page: inline SVG without styles or scripts, coloured by the page's style sheet."""

from __future__ import annotations

import io
import re
import warnings
import zlib
from html import escape
from typing import TYPE_CHECKING, Any

from hedgeopt._extras import require_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AFTER", "BEFORE", "GRID", "INK", "PAGE", "new_figure", "new_grid", "svg_text", "thousands"]

# matplotlib writes these stand-ins; svg_text turns them into CSS variables, so that the style sheet sets the colours
BEFORE, AFTER, INK, GRID, PAGE = "#a1a1a2", "#0b5fa6", "#1c1c1d", "#d8d8d9", "#fefefd"
_VARIABLES = {
    BEFORE: "var(--before, #6f6f74)",
    AFTER: "var(--after, #0b5fa6)",
    INK: "var(--ink, #1c1c1d)",
    GRID: "var(--grid, #e3e3e1)",
    PAGE: "var(--page, #ffffff)",
}


def new_figure(width: float, height: float, columns: int = 1, text: float = 8.5) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes (an array of them where there are several columns); ``text`` in points."""
    figure, grid = new_grid(width, height, 1, columns, text)
    return figure, grid[0] if columns > 1 else grid[0, 0]


def new_grid(width: float, height: float, rows: int, columns: int, text: float = 8.5) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes (rows, columns) in the house style."""
    require_extra("matplotlib", "drawing charts")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, labelsize=text, length=0)
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(GRID)
        for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
            label.set_color(INK)
            label.set_fontsize(text + 0.5)
    return figure, grid


def thousands(axis: Any, ticks: int = 7) -> None:
    """Ticks in k, m, bn and tn; about ``ticks`` of them."""

    def words(value: float, _position: int) -> str:
        for size, letter in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{letter}".replace("-", "−")
        return f"{value:g}".replace("-", "−")

    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(ticks))
    axis.set_major_formatter(FuncFormatter(words))


def svg_text(figure: Figure, name: str, label: str = "") -> str:
    """The figure as an ``<svg>`` element with unique ids, colours from the page, and ``label`` for who cannot see it.

    Style attributes become presentation attributes: a content-security policy without ``unsafe-inline`` forbids the former.
    """
    import matplotlib
    from matplotlib.text import Text

    for part in figure.findobj(Text):
        part.set_parse_math(False)  # a name with two dollar signs is no formula
    text = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has its fonts, whatever matplotlib measures with
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    prefix = re.sub(r"[^\w-]+", "-", name, flags=re.ASCII)
    if prefix != name:
        prefix += f"-{zlib.crc32(name.encode()):x}"
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'\bstyle="([^"]*)"', lambda found: _attributes(found[1]), svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    return re.sub(
        r'<svg [^>]*viewBox="([^"]+)"[^>]*>',
        lambda found: (
            f'<svg role="img" aria-label="{escape(label or name)}" viewBox="{found[1]}" font-family="sans-serif" '
            'stroke-linejoin="round" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        ),
        svg,
        count=1,
    )


def _attributes(style: str) -> str:
    """A style attribute's declarations as attributes; fonts are the page's."""
    found = {}
    for declaration in filter(str.strip, style.split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":  # "9px sans-serif", with weight or slant before
            key, value = "font-size", next((word for word in value.split() if word.endswith("px")), "9px")
        if key != "font-family":
            found[key] = value
    return " ".join(f'{key}="{value}"' for key, value in found.items())
