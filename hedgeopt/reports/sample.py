"""The sample that CVaR is measured on and its error: no sample figure is shown without them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hedgeopt.files.counted import many
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.measures.figures import LossDistribution
    from hedgeopt.program.proposal import Proposal

__all__ = ["proposal_sample", "sample_sentence"]

_FEWEST = 10
"""Scenarios in the tail below which its standard error is no figure to show."""


def sample_sentence(
    losses: LossDistribution, drawn: str, settings: Mapping[str, Any], unit: str, *, traded: bool = False
) -> str:
    """CVaR with its standard error, sample size and seed; with ``traded`` before and after.

    ``drawn`` is the sample in words, its size first; ``settings`` are those of the policy's scenarios, as plain data;
    ``unit`` is what the losses are counted in.
    """
    found = re.match(r"[\d,]+", drawn)
    count = int(found[0].replace(",", "")) if found else 0
    why = _unknown(losses, count, settings)
    name = f"CVaR {100 * losses.level:g} %"
    if why:
        told = [number(usd) for usd in losses.cvar]
    else:
        errors = [losses.cvar_error(count, after=after) for after in (False, True)]
        told = [f"{number(usd)} ± {number(error, 2)}" for usd, error in zip(losses.cvar, errors, strict=True)]
    both = f"{told[1]} {unit} after trading, {told[0]} before" if traded else f"{told[1]} {unit}"
    return f"{name}: {both} ({why or '± one standard error'}; scenarios: {drawn})."


def proposal_sample(proposal: Proposal) -> str:
    """The sentence for a proposal, as far as its file tells."""
    settings = proposal.policy.get("scenarios")
    if proposal.figures is None or not isinstance(settings, dict) or not re.match(r"[\d,]+ ", proposal.scenarios):
        return f"Sample error: not recorded (scenarios: {proposal.scenarios})."
    return sample_sentence(proposal.figures.losses, proposal.scenarios, settings, proposal.unit, traded=True)


def _unknown(losses: LossDistribution, count: int, settings: Mapping[str, Any]) -> str:
    """Why the standard error is not known; empty where it is."""
    kind, tail = settings.get("kind"), count * (1.0 - losses.level)
    if settings.get("views"):
        return "sample error unknown: the scenarios are weighted by views"
    if kind == "historical":
        return "sample error unknown: the scenarios are of history, not independent draws"
    if kind == "given":
        return "sample error unknown: the scenarios are as given"
    if tail < _FEWEST:
        whole = int(tail + 1e-9)
        beyond = f"only {many(whole, 'scenario lies', 'scenarios lie')}" if whole else "fewer than one scenario lies"
        return f"sample error unknown: {beyond} beyond the {100 * losses.level:g} % quantile"
    return ""
