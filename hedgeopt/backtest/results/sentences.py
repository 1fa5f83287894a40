"""The sentences on top of a tear sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hedgeopt.backtest.judge import LOUDER
from hedgeopt.files.counted import many
from hedgeopt.reports.words import number

if TYPE_CHECKING:
    from hedgeopt.backtest.results.summary import Summary

__all__ = ["Words", "event_lines", "first_words"]

_FEW = 3.0  # expected hits


@dataclass(frozen=True)
class Words:
    """Title and three verdicts, each with its tone."""

    title: str
    survival: str
    survival_tone: str
    promise: str
    promise_tone: str
    noise: str


def first_words(summaries: Sequence[Summary], comparison: pd.DataFrame) -> Words:
    """The facts that a reader needs first."""
    best = max(summaries, key=lambda one: one.measures["total_pnl"])
    if len(summaries) == 1:
        title = f"{best.policy}: {number(best.measures['total_pnl'])} USD, drawdown {number(best.drawdown.depth)} USD."
    else:
        title = (
            f"{many(len(summaries), 'policy', 'policies')}; {best.policy} earned "
            f"most, {number(best.measures['total_pnl'])} USD."
        )
    dead = [one.policy for one in summaries if one.measures["least_equity"] <= 0]
    sold = [one.policy for one in summaries if one.measures["liquidations"] > 0]
    if dead:
        survival, tone = f"Equity lost: {', '.join(dead)}.", "bad"
    elif sold:
        survival, tone = f"Liquidated: {', '.join(sold)}.", "bad"
    else:
        survival, tone = "No account was liquidated.", "good"
    return Words(title, survival, tone, *_promise(summaries), _noise(comparison, len(summaries)))


def _promise(summaries: Sequence[Summary]) -> tuple[str, str]:
    judged = [one for one in summaries if one.tail.kept is not None]
    if not judged:
        return f"Not judged: {summaries[0].tail.note}.", ""
    broken = [one for one in judged if not one.tail.kept]
    if not broken:
        few = max(one.tail.expected_hits for one in judged) < _FEW
        least = min(one.tail.power for one in judged)
        caution = f" Losses {LOUDER:g} × the promise would have been noticed with {100.0 * least:.0f} %."
        return f"Not refuted for {', '.join(one.policy for one in judged)}.{caution}", "" if few else "good"
    told = (f"{one.policy} ({one.tail.hits} hits, {number(one.tail.expected_hits, 2)} promised)" for one in broken)
    return f"Broken: {', '.join(told)}.", "bad"


def _noise(comparison: pd.DataFrame, policies: int) -> str:
    if policies == 1:
        return "One policy: nothing to compare."
    pnl = comparison[comparison["statistic"] == "total_pnl"]
    real = int((pnl["verdict"] != "noise").sum())
    risk = comparison[comparison["statistic"] != "total_pnl"]
    shown = int((risk["verdict"] != "noise").sum())
    return (
        f"{real} of {many(len(pnl), 'difference')} of P&L and {shown} of {len(risk)} of risk are more than noise."
        if real
        else f"No difference of P&L is more than noise; {shown} of {many(len(risk), 'difference')} of risk are."
    )


def event_lines(summaries: Sequence[Summary]) -> list[str]:
    """What happened to each policy, counted, and what the judgement of its tail left out."""
    lines = []
    for one in summaries:
        if one.events:
            counted = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in one.events.items())
            lines.append(f"{one.policy}: {counted}.")
        tail = one.tail
        if not tail.note and tail.no_promise:
            lines.append(
                f"{one.policy}: {many(len(tail.pairs), 'decision was', 'decisions were')} judged "
                f"({100.0 * tail.judged:.0f} %), {tail.no_promise} promised no tail."
            )
        if tail.scaled:
            lines.append(f"{one.policy}: {many(tail.scaled, 'promise')} scaled to the step with the root of time.")
    lines += [f"{caveat}." for caveat in dict.fromkeys(caveat for one in summaries for caveat in one.caveats)]
    return lines
