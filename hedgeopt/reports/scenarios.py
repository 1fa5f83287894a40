"""Tables behind ``hedgeopt scenarios list|describe|sample``: plain frames that a command or notebook shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import span_of_days
from hedgeopt.models.scenarios.describe import Description, describe
from hedgeopt.models.scenarios.set import TABLES, ScenarioSet
from hedgeopt.models.scenarios.stress_table import StressSettings

__all__ = [
    "correlation_table",
    "describe_table",
    "extra_lines",
    "list_generators",
    "list_sets",
    "sample_table",
    "stress_sources",
]


def list_generators() -> pd.DataFrame:
    """Every kind of sample, modifier, event and view that a policy's ``[scenarios]`` takes: name, setting, description."""
    from hedgeopt.models.scenarios.cascade import Cascade
    from hedgeopt.models.scenarios.clearing import Clearing
    from hedgeopt.models.scenarios.events import EVENTS
    from hedgeopt.models.scenarios.pegs import Peg
    from hedgeopt.models.scenarios.sample_settings import HistoricalScenarios, ParametricScenarios, RegimeScenarios
    from hedgeopt.models.scenarios.views import VIEWS

    kinds: list[tuple[str, str, Any]] = [
        *((model.model_fields["kind"].default, "scenarios.kind", model) for model in (ParametricScenarios, RegimeScenarios)),
        ("historical", "scenarios.kind", HistoricalScenarios),
        ("cascade", "scenarios.cascade", Cascade),
        ("clearing", "scenarios.clearing", Clearing),
        ("peg", "scenarios.pegs", Peg),
        *((name, "scenarios.events", model) for name, model in EVENTS.items()),
        *((name, "scenarios.views", model) for name, model in VIEWS.items()),
    ]
    return pd.DataFrame(
        [(name, where, (model.__doc__ or "").strip().split("\n")[0]) for name, where, model in kinds],
        columns=["name", "setting", "what"],
    )


@strict_call
def list_sets(settings: StressSettings | None = None) -> pd.DataFrame:
    """Every stress scenario: its moves of BTC, ETH and others, vol ratio, liquidity, and how many numbers have a source."""
    rows = []
    for event in (settings or StressSettings()).chosen():
        numbers = event.numbers()
        others = event.spot.get("*")
        vol = event.vol.get("BTC", event.vol.get("*"))
        rows.append(
            {
                "name": event.name,
                "title": event.title,
                **{asset: event.spot[asset].value if asset in event.spot else None for asset in ("BTC", "ETH")},
                "others": None if others is None else others.value,
                "vol_ratio": 1.0 if vol is None else vol.value,
                **{name: event.liquidity[name].value if name in event.liquidity else 1.0 for name in ("spread", "depth")},
                "sourced": f"{sum(bool(number.source) for _, _, number in numbers)} of {len(numbers)}",
            }
        )
    return pd.DataFrame(rows)


def stress_sources(name: str, settings: StressSettings | None = None) -> pd.DataFrame:
    """Every number of one stress scenario with its source, or with the reason for an unsourced one."""
    found = {event.name: event for event in (settings or StressSettings()).chosen()}
    if name not in found:
        raise InputError("unknown stress scenario", value=name, fix=f"known: {', '.join(found)}")
    return pd.DataFrame(
        [
            {
                "table": table,
                "asset": asset,
                "value": number.value,
                "sourced": bool(number.source),
                "source": _origin(number),
            }
            for table, asset, number in found[name].numbers()
        ]
    )


def _origin(number: Any) -> str:
    return number.source or (f"unsourced: {number.unsourced}" if number.unsourced else "unsourced")


@strict_call
def describe_table(scenarios: ScenarioSet) -> pd.DataFrame:
    """One row per asset: mean, vol, skewness, kurtosis, quantiles of the simple return, answer of vol."""
    told = describe(scenarios)
    rows = {}
    for asset, m in told.assets.items():
        rows[asset] = {
            "mean": m.mean,
            "deviation": m.deviation,
            "annual_vol": m.annual_vol,
            "skewness": m.skewness,
            "kurtosis": m.kurtosis,
            "worst": m.worst,
            **{f"q{100 * float(level):g}%": value for level, value in m.quantiles.items()},
            "best": m.best,
            "vol_slope": m.vol_slope,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def correlation_table(scenarios: ScenarioSet) -> pd.DataFrame:
    """Correlations of log returns."""
    return pd.DataFrame(describe(scenarios).correlations, index=scenarios.assets, columns=scenarios.assets)


def extra_lines(told: Description) -> list[str]:
    """One sentence each for effective number, joint falls, liquidity, recovery, events and notes: they fit no table."""
    span = span_of_days(told.horizon_days)
    lines = [f"{many(told.scenarios, 'scenario')}, effective number {told.effective_number:,.0f}, horizon {span}"]
    lines += [f"worst 5 % together, {pair}: {100 * share:.0f} %" for pair, share in told.joint_falls.items()]
    lines += [f"{name}: mean x{mean:.3g}, worst x{worst:.3g}" for name, (mean, worst) in told.liquidity.items()]
    lines += [f"recovery at {name}: mean {mean:.3g}, worst {worst:.3g}" for name, (mean, worst) in told.recovery.items()]
    lines += [f"{title}: {100 * share:.3g} % of scenarios" for title, share in told.events.items()]
    return [*lines, *told.notes]


@strict_call
def sample_table(scenarios: ScenarioSet, rows: int = 10, *, worst_of: str | None = None) -> pd.DataFrame:
    """The first ``rows`` scenarios, or the worst ones of an asset: simple returns, vol ratios, every other field."""
    chosen = np.arange(min(rows, len(scenarios)))
    if worst_of is not None:
        chosen = np.argsort(scenarios.price_factor(worst_of), kind="stable")[:rows]
    columns: dict[str, Any] = {"probability": scenarios.weights[chosen]}
    for name in TABLES:
        values = getattr(scenarios, name)
        if values is None:
            continue
        shown = {"spot_factor": ("return", values - 1.0), "log_vol_shift": ("vol_ratio", np.exp(values))}.get(
            name, (name, values)
        )
        for a, asset in enumerate(scenarios.assets):
            columns[f"{shown[0]} {asset}"] = shown[1][chosen, a]
    for name, series in scenarios.liquidity.items():
        columns[name] = series[chosen]
    for name, series in scenarios.recovery.items():
        columns[f"recovery {name}"] = series[chosen]
    for item in scenarios.events:
        columns[item.event.title] = item.happens[chosen]
    index = [scenarios.labels[i] for i in chosen] if scenarios.labels else chosen
    return pd.DataFrame(columns, index=index)
