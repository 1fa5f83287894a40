"""Checks at the first step of a backtest, before anything is traded."""

from __future__ import annotations

from typing import Any

import numpy as np

from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.policies.protocol import Strategy
from hedgeopt.backtest.valuation import Valuation
from hedgeopt.errors import InputError
from hedgeopt.exposures.references import Known, refuse_unknown
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.names import require_known
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market

__all__ = ["refuse_uncovered", "refuse_unknown_names", "unknown_margins"]


def refuse_unknown_names(settings: Settings, policy: Strategy, book: Book, market: Market) -> None:
    """Halts and scenarios name venues and assets that exist; so does the configuration, where there is one."""
    known = Known.of(resolve(book, market))
    for halt in settings.halts:
        require_known([halt.venue], sorted(known.venue), "venue", file="backtest", field="halts.venue")
    refuse_unknown(settings.scenarios, known, "risk.scenarios", file="backtest")
    policies = [policy, getattr(policy, "calm", None), getattr(policy, "stressed", None)]
    accounts = [name for name in (getattr(policy, "account", None) for policy in policies) if isinstance(name, str)]
    require_known(accounts, sorted(known.account), "account", file="backtest", field="policies.account")


def unknown_margins(valuation: Valuation, allowed: bool) -> list[dict[str, Any]]:
    """An event for every account whose margin is unknown: none is counted, and nothing is liquidated there.

    Raises
    ------
    InputError
        Unless ``allowed``.
    """
    e, events = valuation.exposures, []
    for c in np.flatnonzero(np.isnan(valuation.maintenance)).tolist():
        name, error = e.accounts[c], valuation.lacking.get(c)
        why = f"no rule knows it (margin {e.margins.names[c]})" if error is None else error.problem
        if not allowed:
            own = "name a margin model in the book" if error is None or not error.fix else error.fix
            raise InputError(
                f"the margin of account {name} is unknown: {why}",
                file="book" if error is None else error.file,
                field=f"account {name}" if error is None else error.field,
                fix=f'{own}; or unknown_margin = "not counted" in the backtest: nothing is liquidated there then',
            )
        message = f"margin not counted, and nothing liquidated: {why}"
        events.append({"kind": "margin_unknown", "account": name, "message": message})
    return events


def refuse_uncovered(valuation: Valuation) -> list[dict[str, Any]]:
    """Refuse a book whose equity does not cover its maintenance margin; a note where it does not cover the initial one."""
    notes: list[dict[str, Any]] = []
    e = valuation.exposures
    for c, name in enumerate(e.accounts):
        if valuation.maintenance[c] > e.equity[c] and valuation.maintenance[c] != 0.0:
            raise InputError(
                f"the book is larger than its collateral from the start: equity {e.equity[c]:,.0f} USD does not cover "
                f"the maintenance margin of {valuation.maintenance[c]:,.0f} USD",
                file="book",
                field=f"account {name}",
                fix="post more collateral, or start with a smaller book",
            )
        if valuation.initial[c] > e.equity[c]:
            note = f"initial margin {valuation.initial[c]:,.0f} USD of {name} exceeds its equity at the start"
            notes.append({"kind": "note", "message": note})
    return notes
