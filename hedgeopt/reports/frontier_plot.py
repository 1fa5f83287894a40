"""The frontier as one drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.reports.drawing import AFTER, BEFORE, INK, new_figure, svg_text

if TYPE_CHECKING:
    from hedgeopt.program.frontier import Frontier

__all__ = ["frontier_plot"]


def frontier_plot(found: Frontier) -> str:
    """SVG: the least of one term for every level of the other, proven kinks as dots, and where the policy is."""
    figure, axes = new_figure(6.4, 3.6)
    points = found.points
    axes.plot(points["against"], points["of"], color=AFTER, linewidth=1.6)
    kinks = points[points["kink"]]
    axes.plot(kinks["against"], kinks["of"], "o", color=AFTER, markersize=3.5)
    axes.plot([found.here[0]], [found.here[1]], "s", color=BEFORE, markersize=6)
    axes.annotate("the policy", found.here, color=INK, xytext=(6, 6), textcoords="offset points")
    axes.set_xlabel(f"{found.against}, {found.unit_against}")
    axes.set_ylabel(f"{found.of}, {found.unit_of}"[:60])
    return svg_text(figure, "frontier", f"Least {found.of} for every level of {found.against}")
