"""A proposal as one self-contained page: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgeopt._extras import how_to_install, installed
from hedgeopt.reports.render import render
from hedgeopt.reports.words import (
    headline,
    limit_rows,
    made_from,
    margin_rows,
    number,
    objective_rows,
    quantity,
    risk_rows,
    share,
)

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["proposal_page"]


def proposal_page(proposal: Proposal) -> str:
    """HTML text: headline, trades, plots, before and after, limits, costs, certificate, assumptions."""
    return render(
        "proposal.html",
        proposal=proposal,
        words=headline(proposal),
        risk=risk_rows(proposal.before, proposal.after),
        limits=limit_rows(proposal),
        margins=margin_rows(proposal),
        objective=objective_rows(proposal),
        plots=_plots(proposal),
        made_from=made_from(proposal),
        number=number,
        quantity=quantity,
        share=share,
    )


def _plots(proposal: Proposal) -> dict[str, Any]:
    if not installed("matplotlib"):
        missing = f"Charts need matplotlib, which is not installed: {how_to_install('matplotlib')}"
        return {"profiles": {}, "losses": None, "greeks": None, "missing": missing}
    from hedgeopt.reports.plots import greeks_plot, loss_plot, profile_plot

    drawn = proposal.figures
    return {
        "profiles": {} if drawn is None else {one.asset: profile_plot(one) for one in drawn.profiles},
        "losses": None if drawn is None else loss_plot(drawn.losses),
        "greeks": greeks_plot(proposal.before, proposal.after),
        "missing": "",
    }
