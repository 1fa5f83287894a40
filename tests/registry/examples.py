"""Settings of the terms and constraints that need some: the one list of them, which every test over the tables reads.

A new term or constraint adds a line here, and only where it has settings without a default. The line must make sense to
the books of ``tests/registry/conftest.py`` and ``tests/program/proposal_cases.py``: both have BTC, and the scenario named.
"""

from __future__ import annotations

from typing import Any

from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.models.terms import TERMS

__all__ = ["CONSTRAINT_SETTINGS", "TERM_SETTINGS", "constraint_example", "term_example"]

TERM_SETTINGS: dict[str, dict[str, Any]] = {
    "cvar": {"beta": 0.95},
    "stress_loss": {"scenario": "2020-03-12"},
    "margin": {"venue": "deribit"},
    "concentration": {"by": "venue", "of": "deribit"},
    "vega_bucket": {"underlying": "BTC", "days": 30.0},
    "sum": {
        "parts": [
            {"term": {"kind": "cvar", "beta": 0.9}},
            {"weight": 0.5, "term": {"kind": "stress_loss", "scenario": "2020-03-12"}},
        ]
    },
    "gamma_bucket": {"underlying": "BTC", "days": 90.0},
    **{greek: {"underlying": "BTC"} for greek in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")},
}
CONSTRAINT_SETTINGS: dict[str, dict[str, Any]] = {
    "limit": {"term": {"kind": "stress_loss", "scenario": "2020-03-12"}, "upper": 1e6},
    "transfer_limit": {"usd": 1e5},
    "order_limit": {"notional": 1e6},
    "position_limit": {"notional": 2e6},
    "participation": {"share": 0.05},
    "cash_at_least": {"asset": "BTC", "amount": -1e6, "days": 2},
    "max_trades": {"most": 8},
    "max_new_instruments": {"most": 6},
    "min_trade": {"usd": 1e4},
}


def term_example(kind: str, **changed: Any) -> Any:
    """A registered term; ``changed`` settings where a book has no such venue."""
    return TERMS[kind](**{**TERM_SETTINGS.get(kind, {}), **changed})


def constraint_example(kind: str, **changed: Any) -> Any:
    """A registered constraint, likewise."""
    return CONSTRAINTS[kind](**{**CONSTRAINT_SETTINGS.get(kind, {}), **changed})
