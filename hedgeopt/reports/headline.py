"""The first sentences of a report: what to do, what remains dangerous, what it costs, whether it is proven."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hedgeopt.reports.rows import binding, moves
from hedgeopt.reports.words import many, number

if TYPE_CHECKING:
    from hedgeopt.measures.margin import AccountMargin
    from hedgeopt.program.proposal import Proposal

__all__ = ["Danger", "Headline", "danger", "headline"]

_BAD, _WARN = 0.05, 0.20
"""Moves of every coin within which an account's liquidation is alarming, or worth a warning."""
_NAMED = 4
_FEWEST = 10
"""Scenarios in the tail below which its standard error is no figure to show."""


@dataclass(frozen=True)
class Danger:
    """Nearest liquidation and stresses not covered, a sentence each; ``tone`` is ``good``, ``warn`` or ``bad``."""

    sentences: tuple[str, ...]
    tone: str


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


def headline(proposal: Proposal) -> Headline:
    """The headline of a proposal, from its data alone."""
    costs, certificate = proposal.costs, proposal.certificate
    cost = (
        f"{number(costs['transaction'])} {proposal.unit} to trade (half-spread {number(costs['half_spread'])}, "
        f"fees {number(costs['fees'])})."
    )
    if certificate.valid:
        proof = (
            f"Certified: every limit holds, and no trade list is better by more than "
            f"{max(certificate.gap, 1e-12):.2g} of the objective (tolerance {certificate.tolerance:.0e})."
        )
    else:
        proof = "NOT certified: do not trade on this."
    names = binding(proposal)
    remains = danger([pair.after for pair in proposal.margins], [pair.before for pair in proposal.margins])
    return Headline(
        trades=_trades(proposal),
        danger=remains,
        cost=cost,
        certificate=proof,
        sample=_sample(proposal),
        binding=f"Binding: {', '.join(names)}." if names else "No limit is binding.",
        tone=remains.tone if certificate.valid else "bad",
    )


def danger(accounts: Sequence[AccountMargin], before: Sequence[AccountMargin] = ()) -> Danger:
    """What margin leaves dangerous in ``accounts``; with ``before``, compared with the accounts before trading."""
    sentences, near = [], _nearest(accounts)
    was = _nearest(before)
    if near is None:
        sentences.append("No move of every coin from −98 % to +500 % liquidates an account.")
    elif near[0] == 0.0:
        sentences.append(f"LIQUIDATION NOW: equity of {near[1]} does not cover maintenance margin.")
    else:
        then = "" if was is None else f" (before: {_move(was[0])})"
        sentences.append(f"Nearest liquidation: {near[1]} when every coin moves {_move(near[0])}{then}.")
    open_in: dict[str, list[str]] = {}
    for item in accounts:
        for state in item.stresses:
            if not state.covered:
                open_in.setdefault(state.scenario, []).append(_name(item))
    stresses = len(accounts[0].stresses) if accounts else 0
    if open_in:
        several = len(accounts) > 1
        told = [f"{name} ({', '.join(where)})" if several else name for name, where in open_in.items()]
        rest = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
        sentences.append(
            f"Maintenance is NOT covered in {len(told)} of {stresses} stresses: {', '.join(told[:_NAMED])}{rest}."
        )
    elif stresses:
        sentences.append(
            "Maintenance is covered in the one stress."
            if stresses == 1
            else f"Maintenance is covered in all {stresses} stresses."
        )
    distance = float("inf") if near is None else abs(near[0])
    tone = "bad" if distance <= _BAD else "warn" if open_in or distance <= _WARN else "good"
    return Danger(tuple(sentences), tone)


def _nearest(accounts: Sequence[AccountMargin]) -> tuple[float, str] | None:
    """Smallest move that liquidates an account, and which."""
    found = [
        (move, _name(item)) for item in accounts for move in (item.liquidation_down, item.liquidation_up) if move is not None
    ]
    return min(found, key=lambda pair: abs(pair[0]), default=None)


def _name(item: AccountMargin) -> str:
    return f"{item.venue}/{item.account}"


def _move(move: float) -> str:
    return moves(move, None)


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
    notional = number(float(proposal.trades["notional"].sum()))
    return f"{first}{'then ' if first else ''}{many(count, 'trade')}: {sides} over {notional} USD of underlying."


def _sample(proposal: Proposal) -> str:
    """CVaR after trading with its standard error, where the file tells enough."""
    drawn, settings = proposal.figures, proposal.policy.get("scenarios")
    told = re.match(r"([\d,]+) ", proposal.scenarios)
    kind: Any = settings.get("kind") if isinstance(settings, dict) else None
    if drawn is None or told is None or not isinstance(settings, dict):
        return "Sample error: not recorded."
    if settings.get("views") or kind == "historical":
        why = "weighted by views" if settings.get("views") else "of history, not independent draws"
        return f"Sample error: unknown, the scenarios are {why}."
    count = int(told[1].replace(",", ""))
    level, tail = drawn.losses.level, count * (1.0 - drawn.losses.level)
    if tail < _FEWEST:
        return f"Sample error: unknown, only {number(tail, 2)} of {count:,} scenarios beyond the {100 * level:g} % quantile."
    error = f"{number(drawn.losses.cvar_error(count), 2)} {proposal.unit}"
    return (
        f"CVaR {100 * drawn.losses.level:g} % after trading: {number(drawn.losses.cvar[1])} ± {error} "
        f"(one standard error, {count:,} scenarios)."
    )
