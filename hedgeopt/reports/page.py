"""A proposal as one self-contained page: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgeopt.models.data import dollar_assets
from hedgeopt.reports.render import render
from hedgeopt.reports.words import headline, limit_rows, margin_rows, number, objective_rows, quantity, risk_rows, share

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["proposal_page"]

_LEVEL = 0.99


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
        number=number,
        quantity=quantity,
        share=share,
    )


def _plots(proposal: Proposal) -> dict[str, Any]:
    from hedgeopt.measures.profile import spot_profile
    from hedgeopt.reports.plots import greeks_plot, loss_plot, profile_plot

    e = proposal.exposures
    moved = [asset for asset in e.assets if asset not in dollar_assets()]
    return {
        "profiles": {a: profile_plot(spot_profile(e, proposal.x, a)) for a in moved},
        "losses": loss_plot(proposal.losses, e.probabilities, _LEVEL),
        "greeks": greeks_plot(proposal.before, proposal.after),
    }
