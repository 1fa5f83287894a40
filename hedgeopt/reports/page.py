"""A proposal as one self-contained page: works without network and without its script, drawn from the proposal alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgeopt._extras import how_to_install, installed
from hedgeopt.files.counted import many
from hedgeopt.reports.cash_tables import cash_grid, free_margin_grid
from hedgeopt.reports.headline import headline
from hedgeopt.reports.page_tables import (
    costs_grid,
    limits_grid,
    margin_grid,
    objective_grid,
    promise_grid,
    risk_grid,
    stress_grid,
    stress_margin_grid,
    trades_grid,
    transfers_grid,
)
from hedgeopt.reports.promised import coverage_sentence
from hedgeopt.reports.render import render
from hedgeopt.reports.rows import made_from
from hedgeopt.reports.tags import tag_grid
from hedgeopt.reports.words import share

if TYPE_CHECKING:
    from hedgeopt.measures.figures import Figures
    from hedgeopt.measures.risk import RiskReport
    from hedgeopt.program.proposal import Proposal

__all__ = ["page_plots", "proposal_page"]

_SECTIONS = (
    ("transfers", "Transfers"), ("trades", "Trades"), ("costs", "Costs"), ("limits", "Limits"), ("margin", "Margin"),
    ("cash", "Cash"), ("promise", "Promise"),
    ("spot", "P&L against spot"), ("losses", "Losses"), ("greeks", "Greeks"), ("book", "Book"), ("tags", "Tags"),
    ("stress", "Stress"), ("objective", "Objective"),
    ("certificate", "Certificate"), ("assumptions", "Assumptions"), ("made-from", "Made from"),
)  # fmt: skip


def proposal_page(proposal: Proposal) -> str:
    """HTML text: headline, trades, plots, before and after, limits, margin, certificate, assumptions."""
    words, transfers, tags = headline(proposal), transfers_grid(proposal), tag_grid(proposal.before, proposal.after)
    costs, cash = costs_grid(proposal), cash_grid(proposal)
    shown = {"transfers": bool(transfers), "tags": bool(tags), "costs": bool(costs), "cash": bool(cash)}
    shown["promise"] = proposal.promise is not None
    return render(
        "proposal.html",
        proposal=proposal,
        words=words,
        remains=words.danger,
        sections=[one for one in _SECTIONS if shown.get(one[0], True)],
        transfers=transfers,
        tags=tags,
        trades=trades_grid(proposal),
        costs=costs,
        cash=cash,
        free_margins=free_margin_grid(proposal),
        limits=limits_grid(proposal),
        risk=risk_grid(proposal.before, proposal.after),
        stress=stress_grid(proposal.before, proposal.after),
        objective=objective_grid(proposal),
        margins=margin_grid(proposal),
        stress_margins=stress_margin_grid(proposal),
        promise=promise_grid(proposal),
        coverage=coverage_sentence(proposal.promise),
        drawn=proposal.figures,
        scenarios=proposal.scenarios,
        greeks_caption="Hollow before, solid after; each pair is scaled by its larger value. Delta counts posted coins.",
        plots=page_plots(proposal.figures, proposal.before, proposal.after),
        made_from=made_from(proposal),
        share=share,
        many=many,
    )


def page_plots(drawn: Figures | None, before: RiskReport, after: RiskReport) -> dict[str, Any]:
    """Every plot as a pair of drawings, for wide screens and for phones; ``before is after``: nothing is traded."""
    if not installed("matplotlib"):
        missing = f"Charts need matplotlib, which is not installed: {how_to_install('matplotlib')}"
        return {"profiles": {}, "losses": None, "greeks": None, "missing": missing}
    from hedgeopt.reports.plots import greeks_plot, loss_plot, profile_plot

    sizes: tuple[Any, ...] = (False, True)
    look: dict[str, Any] = {"single": before is after, "unit": before.unit}
    profiles = () if drawn is None else drawn.profiles
    return {
        "profiles": {one.asset: [profile_plot(one, narrow=narrow, **look) for narrow in sizes] for one in profiles},
        "losses": None if drawn is None else [loss_plot(drawn.losses, narrow=narrow, **look) for narrow in sizes],
        "greeks": [greeks_plot(before, after, narrow=narrow) for narrow in sizes],
        "missing": "",
    }
