"""The sample that VaR and CVaR are measured on, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgeopt.files.notebook import span_of_days
from hedgeopt.models.arrays import Exposures

if TYPE_CHECKING:
    from hedgeopt.inputs.policy import Policy

__all__ = ["sample_words"]


def sample_words(policy: Policy, e: Exposures) -> str:
    """Size, kind, horizon and seed: ``10,000 parametric over 1 day, seed 7``; scenarios as given have no seed."""
    if e.scenarios is not None and e.scenarios.still:
        return "no sample"
    drawn = "" if policy.scenarios.kind == "given" else f", seed {policy.scenarios.seed}"
    return f"{len(e.base_pnl):,} {policy.scenarios.kind} over {span_of_days(e.horizon_days)}{drawn}"
