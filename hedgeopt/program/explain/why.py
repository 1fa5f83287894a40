"""Why each trade is in the list: its cost, what it does for limits and tail, and what the list costs without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import CertificateError, InfeasibleError
from hedgeopt.files.notebook import plain_number, plain_size
from hedgeopt.models.pricing.family import greek
from hedgeopt.program.explain.case import Case, SolvedAgain, closed

__all__ = ["COLUMNS", "trade_line", "why_trades"]

COLUMNS = (
    "account", "instrument", "side", "quantity", "held", "closes", "cost", "objective", "limits", "helps", "delta", "gamma",
    "vega", "removal", "removal_in_lots", "instead", "tie", "without",
)  # fmt: skip
_TIE = 1e-3
_MOST = 40
_NOISE = 1e-9
"""Of the objective: what is less is rounding, and told as nothing."""
_SMALLEST = 1e-3
"""USD of underlying below which a trade that grew did so by rounding."""


def why_trades(case: Case, *, lots: bool = True, most: int = _MOST) -> pd.DataFrame:
    """A row per trade, largest removal first.

    ``objective`` is what the trade alone adds to the objective at its list (negative: it pays for itself), by all terms;
    ``limits`` what it saves by the shadow prices of the ideal trades, summed over binding limits, the largest of them in
    ``helps``. ``removal`` is what the optimum of the ideal trades rises by when the instrument is not traded at all, and
    ``removal_in_lots`` the same of lists in whole lots: both solved again. ``instead`` is the trade that grows most when it
    is gone, and ``tie`` says that the list costs less than a thousandth more without it. ``without`` names why there is no
    list without it, where there is none. The ``most`` largest by notional are solved again.
    """
    e, x, base = case.e, case.x, case.ideal
    prices = {s.name: s for s in base.solution.sides if s.dual > 0.0 and np.isfinite(s.dual)}
    program = case.program(case.policy, e)
    at = np.flatnonzero(x)
    at = at[~np.isin(at, e.links.candidate)]
    at = at[np.argsort(-np.abs(x[at] * e.rows.notional[e.candidate[at]]), kind="stable")]
    costs, whole = e.trade_cost(x), program.objective_value(e, x)
    noise = _NOISE * max(abs(whole), 1.0)
    sides = {s.name: s for s in program.sides(e, x)}
    solved: dict[str, dict[str, object]] = {}
    rows = []
    for number, i in enumerate(at.tolist()):
        less = x.copy()
        less[i] = 0.0
        held = float(e.rows.quantity[e.candidate[i]])
        helps = {}
        for side in program.sides(e, less):
            if side.name in prices and side.name in sides:
                helps[side.name] = prices[side.name].dual * (side.violation - sides[side.name].violation)
        name = case.name(i)
        if name not in solved:
            solved[name] = _removed(case, name, lots) if number < most else {}
        item = e.rows.instruments[e.candidate[i]]
        column = e.asset(item.assets[0])
        top = sorted(helps.items(), key=lambda pair: -abs(pair[1]))[:3]
        rows.append(
            {
                "account": e.accounts[e.rows.account[e.candidate[i]]],
                "instrument": name,
                "side": "buy" if x[i] > 0 else "sell",
                "quantity": abs(float(x[i])),
                "held": held,
                "closes": bool(held * x[i] < 0.0 and abs(x[i]) <= abs(held)),
                "cost": case.told(float(costs[i])),
                "objective": case.told(whole - program.objective_value(e, less)),
                "limits": case.told(sum(helps.values())),
                "helps": ", ".join(f"{limit} {plain_number(case.told(usd))}" for limit, usd in top if usd > noise),
                **{g: float(e.trade_greeks[greek(g), i, column] * x[i]) for g in ("delta", "gamma", "vega")},
                **solved[name],
            }
        )
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values("removal", ascending=False, ignore_index=True, na_position="last")


def _removed(case: Case, name: str, lots: bool) -> dict[str, object]:
    """The optimum without an instrument, in every account."""
    e = closed(case.e, case.places(name))
    try:
        ideal = case.answer(e=e, lots="none")
    except InfeasibleError as error:
        return {"removal": np.inf, "removal_in_lots": np.inf, "instead": "", "tie": False, "without": str(error)}
    except CertificateError as error:
        return {"removal": np.nan, "removal_in_lots": np.nan, "instead": "", "tie": False, "without": str(error)}
    rise = _rise(case.ideal.objective, ideal.objective)
    found: dict[str, object] = {
        "removal": case.told(rise), "removal_in_lots": np.nan, "without": "",
        "tie": bool(rise <= _TIE * abs(case.ideal.objective)),
        "instead": _instead(case, case.ideal.x, ideal.x),
    }  # fmt: skip
    if lots and case.policy.whole:
        try:
            whole: SolvedAgain = case.answer(e=e)
        except InfeasibleError as error:
            return {**found, "removal_in_lots": np.inf, "without": str(error)}
        except CertificateError as error:
            return {**found, "without": str(error)}
        found["removal_in_lots"] = case.told(_rise(case.listed.objective, whole.objective))
        found["instead"] = _instead(case, case.listed.x, whole.x)
    return found


def _rise(before: float, after: float) -> float:
    """By how much an objective rises; rounding is nothing."""
    return 0.0 if abs(after - before) <= _NOISE * max(abs(before), 1.0) else after - before


def _instead(case: Case, before: np.ndarray, after: np.ndarray) -> str:
    """The trade that grows most in USD of underlying."""
    rows = case.e.rows.notional[case.e.candidate]
    grown = np.abs(rows) * np.maximum(np.abs(after) - np.abs(before), np.where(before * after < 0, np.abs(after), 0.0))
    grown[case.e.links.candidate] = 0.0
    if not grown.max(initial=0.0) > _SMALLEST:
        return ""
    i = int(np.argmax(grown))
    return f"{'buy' if after[i] > 0 else 'sell'} {plain_number(abs(after[i] - before[i]))} {case.name(i)}"


def trade_line(row: Mapping[Any, Any], unit: str) -> str:
    """One sentence on a trade."""
    name = f"{row['side']} {plain_size(row['quantity'])} {row['instrument']}"
    size, held = float(row["quantity"]), abs(float(row["held"]))
    against = float(row["held"]) * (1.0 if row["side"] == "buy" else -1.0) < 0.0
    does = ""
    if against and size > held:
        does = f"closes {plain_size(held)} and opens {plain_size(size - held)}"
    elif against:
        does = "closes the position" if size == held else f"closes {plain_size(size)} of {plain_size(held)} held"
    helps = f"helps {row['helps']}" if row["helps"] else ""
    removal = float(str(row["removal_in_lots"] if row["removal_in_lots"] == row["removal_in_lots"] else row["removal"]))
    lots = " in whole lots" if row["removal_in_lots"] == row["removal_in_lots"] else ""
    if np.isinf(removal):
        gone = "without it no list meets every limit"
    elif np.isnan(removal):
        gone = f"what it costs without it is not known: {row['without'] or 'not solved again'}"[:200]
    else:
        word = f", with {row['instead']} instead" if row["instead"] else ""
        gone = f"without it the best list costs {plain_number(removal)} {unit} more{lots}{word}"
        gone += " (a near-tie)" if row["tie"] else ""
    return f"{name}: {'; '.join(part for part in (does, helps, gone) if part)}"
