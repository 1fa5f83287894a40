"""Proposals that strain a page, made from a stored one: names, counts and sizes that nobody planned for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hedgeopt as ho
from hedgeopt.program.proposal import MarginChange

LONG = "ETH-USDC-31DEC2027-123456.789-CALL-INVERSE-SETTLED-ON-CHAIN-X"
NAMES = ("<script>document.title='bad'</script>", "שלום עולם", "🦄🔥 desk", "$a$ & \"b\" 'c'", "x" * 60, "=1+1", "a\tb")


def trades(base: ho.Proposal, count: int, **columns: Any) -> ho.Proposal:
    """``count`` trades, by repeating those there are, with some columns replaced by functions of the row's number."""
    rows = base.trades.iloc[[k % len(base.trades) for k in range(count)]].reset_index(drop=True)
    for name, value in columns.items():
        rows[name] = [value(k) for k in range(count)]
    return replace(base, trades=rows)


def names(base: ho.Proposal) -> ho.Proposal:
    told = trades(base, 7, account=lambda k: NAMES[k], instrument=lambda k: LONG if k % 2 else NAMES[k])
    margins = tuple(
        MarginChange(*(replace(one, account=NAMES[k % 7], venue=LONG) for one in pair))
        for k, pair in enumerate(base.margins)
    )
    limits = base.limits.assign(limit=[f"{NAMES[k % 7]} {k}" for k in range(len(base.limits))])
    return replace(told, book=NAMES[0], source=LONG * 3, margins=margins, limits=limits, notes=NAMES)


def sizes(base: ho.Proposal) -> ho.Proposal:
    values = (1e12, -1e12, -0.0, 1e-9, float("nan"), float("inf"), 123456789.123)
    columns = {name: (lambda k: values[k]) for name in ("price", "notional", "premium", "cost", "delta", "vega")}
    told = trades(base, 7, quantity=lambda k: abs(values[k]), **columns)
    return replace(told, costs=dict.fromkeys(base.costs, 1000000000000.0))


def nothing(base: ho.Proposal) -> ho.Proposal:
    empty = {"trades": base.trades.iloc[:0], "transfers": base.transfers.iloc[:0], "limits": base.limits.iloc[:0]}
    risk = {
        name: replace(getattr(base, name), positions=(), loans=(), stress={}, greeks={}, tenors={})
        for name in ("before", "after")
    }
    return replace(base, **empty, **risk, margins=(), binding_sizes={}, figures=None, notes=())


CASES: dict[str, Callable[[ho.Proposal], ho.Proposal]] = {
    "names": names,
    "sizes": sizes,
    "nothing": nothing,
    "one": lambda base: trades(base, 1),
    "two hundred": lambda base: trades(base, 200),
}
