"""The first sentences of a report: what to do, what remains dangerous, what it costs, whether it is proven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgeopt.files.counted import many
from hedgeopt.measures.margin import margin_in_units
from hedgeopt.program.proven import AROUND
from hedgeopt.reports.danger import Danger, danger
from hedgeopt.reports.rows import binding
from hedgeopt.reports.sample import proposal_sample
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.program.proposal import Proposal

__all__ = ["Headline", "headline"]

_MARGIN_LIMITS = ("margin_utilisation", "survive_stress")


@dataclass(frozen=True)
class Headline:
    """Sentences in the order they are read; ``tone`` is the worst of proof and danger, and colours the frame."""

    trades: str
    danger: Danger
    cost: str
    certificate: str
    sample: str
    binding: str
    tone: str


def headline(proposal: Proposal, *, own: bool = False) -> Headline:
    """The headline of a proposal, from its data alone; ``own``: of somebody's list, which was not solved for."""
    costs, certificate = proposal.costs, proposal.certificate
    cost = (
        f"{number(costs['transaction'])} {proposal.unit} to trade (half-spread {number(costs['half_spread'])}, "
        f"fees {number(costs['fees'])})."
    )
    if certificate.valid:
        word, form = ("lot_gap", "g") if certificate.lot_gap else ("tolerance", ".0e")
        gap = f"{max(certificate.gap, 1e-12):.2g} of the objective ({word} {certificate.allowed:{form}})"
        around = any(note.startswith(AROUND) for note in certificate.notes)
        near = " near this one (see the notes)" if around else ""
        proof = f"Certified: {_limits(proposal)}, and no trade list{near} is better by more than {gap.replace('e-', 'e−')}."
        proof += _lots(proposal)
    elif own:
        proof = "Your list, not an optimum" + (
            "." if certificate.feasible else ", and it breaks limits: do not trade on this."
        )
    elif certificate.feasible and certificate.missing:
        proof = f"NOT certified: {certificate.missing}."
    else:
        proof = "NOT certified: do not trade on this."
    names, over = binding(proposal), _beyond(proposal)
    remains = danger(
        [margin_in_units(pair.after, proposal.after.unit_price) for pair in proposal.margins],
        [margin_in_units(pair.before, proposal.after.unit_price) for pair in proposal.margins],
        unit=proposal.unit,
        traded=set(proposal.trades["account"]),
        margin_limited=_limits_margin(proposal),
        notes=proposal.notes,
    )
    return Headline(
        trades=_trades(proposal),
        danger=remains,
        cost=cost,
        certificate=proof,
        sample=proposal_sample(proposal),
        binding=f"Broken: {', '.join(over)}."
        if over
        else f"Binding: {', '.join(names)}."
        if names
        else "No limit is binding.",
        tone=remains.tone if certificate.valid else "bad",
    )


def _beyond(proposal: Proposal) -> list[str]:
    """Limits that the list breaks, by name; empty where all hold."""
    if proposal.certificate.feasible:
        return []
    rows = proposal.limits
    over = (rows["after"] - rows["bound"]) * rows["sense"].map({"<=": 1.0, ">=": -1.0}).astype(float)
    found = [str(name) for name in rows["limit"][over > 1e-9 * rows["bound"].abs().clip(lower=1e-12)]]
    worst = proposal.certificate.worst_limit
    return list(dict.fromkeys([*found, worst])) if worst else found


def _trades(proposal: Proposal) -> str:
    count, sent = len(proposal.trades), proposal.transfers
    first = ""
    if len(sent):
        hours = float(sent["delay_hours"].max())
        late = f" (up to {number(hours)} hours)" if hours > 0 else ""
        first = f"{many(len(sent), 'transfer')}{late}, "
    if not count:
        return f"{first}no trades." if first else "Nothing to trade: the book is best left as it is."
    buys = int((proposal.trades["side"] == "buy").sum())
    sides = " and ".join(many(n, word) for n, word in ((buys, "buy"), (count - buys, "sell")) if n)
    notional = number(float(proposal.trades["notional"].sum()) / proposal.after.unit_price)
    return f"{first}{'then ' if first else ''}{many(count, 'trade')}: {sides} over {notional} {proposal.unit} of underlying."


def _lots(proposal: Proposal) -> str:
    """What whole lots and limits that count trades cost, beside the ideal; empty where any size is traded."""
    certificate, unit = proposal.certificate, proposal.unit
    if certificate.lots_cost is None or certificate.lots_cost_at_most is None:
        return ""
    cost, most = (number(max(value, 0.0)) for value in (certificate.lots_cost, certificate.lots_cost_at_most))
    told = f" Whole lots cost {cost} {unit} more than the ideal trades, proven at most {most}."
    ideal, count = certificate.ideal_trades, len(proposal.trades)
    few = any(rule["kind"] == "max_trades" for rule in proposal.policy.get("subject_to") or ())
    if few and ideal is not None and ideal != count and certificate.ideal_objective:
        share = max(certificate.lots_cost, 0.0) / abs(certificate.ideal_objective)
        told += f" {many(count, 'trade')} instead of {ideal} cost {100.0 * share:.2g} % more."
    return told


def _limits(proposal: Proposal) -> str:
    """How many limits hold: those of the policy, a band counted once, and no promise beyond them."""
    count = len(proposal.policy.get("subject_to") or ())
    if not count:
        return "the policy has no limits"
    return "the one limit of this policy holds" if count == 1 else f"the {count} limits of this policy hold"


def _limits_margin(proposal: Proposal) -> bool:
    """Whether any limit of the policy is one on margin."""
    rules = proposal.policy.get("subject_to") or ()
    return any(rule["kind"] in _MARGIN_LIMITS or rule.get("term", {}).get("kind") == "margin" for rule in rules)
