"""The document of a scenario model for a validator: assumptions, numbers and errors, doubts, where it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.reading import parse_toml
from hedgeopt.models.scenarios.model_file import read_model
from hedgeopt.models.scenarios.noise import MEASURED
from hedgeopt.models.scenarios.response_settings import Response
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["model_document"]

_PACKAGED = "measured"
_SHARED = ("degrees", "correlation", "skew_tenor", "jump_rate", "jump_mean", "jump_noise")
_ASSUMED = (
    "Returns of all underlyings are a multivariate Student-t, one correlation for all pairs, at the chain's implied vol.",
    "Vol answers spot with one slope for falls and one for rises, each drawn anew in every scenario around its mean.",
    "A tenor takes (30 / days)^0.35 of a 30-day vol move below 30 days, (30 / days)^0.6 above: measured in falls.",
    "Noises of expiries and skews are normal, of strikes Student-t, independent of each other and of spot.",
    "Moves over other horizons than the fitted step follow the exponents; everything is the same at all times of the day.",
    "What has an error of nan, or none, was not estimated from the record.",
)


def model_document(model: str, judged: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> str:
    """Markdown text of the model file ``model`` (``measured``: the packaged one).

    Parameters
    ----------
    judged
        File names and contents of ``hedgeopt scenarios judge --out``.

    Raises
    ------
    InputError
        For a file that is no model, and results that are none, or of another model.
    """
    path = MEASURED if model == _PACKAGED else Path(model)
    read_model(model)  # refuses what is none
    data = parse_toml(path, "scenario model")
    parts = [f"# Scenario model {path.name if model != _PACKAGED else 'measured (packaged)'}", "", *_record(data), ""]
    parts += ["## Assumptions", "", *(f"- {line}" for line in _ASSUMED), ""]
    parts += ["## Numbers", "", *_numbers(data), ""]
    parts += ["## Not estimated", "", *_unfitted(data), ""]
    parts += ["## Judged", "", *_judged(model, judged)]
    return "\n".join(parts).rstrip() + "\n"


def _record(data: Mapping[str, Any]) -> list[str]:
    told = data.get("record", {})
    steps = ", ".join(f"{asset} {count}" for asset, count in told.get("steps", {}).items())
    lines = [
        f"Fitted by `hedgeopt scenarios fit` to option chains recorded from {told.get('first', '?')} to "
        f"{told.get('last', '?')}, in moves of {told.get('step_hours', '?')} hours ({steps}).",
        "Standard errors: block bootstrap, blocks of two days.",
    ]
    if "as_of" in data:
        lines.append(f"As of {data['as_of']}; check it again after {data.get('shelf_life_days', '?')} days.")
    doubts = data.get("unverified")
    lines.append(f"Unverified: {', '.join(doubts)}." if doubts else "Unverified numbers: none are marked.")
    return lines


def _numbers(data: Mapping[str, Any]) -> list[str]:
    found, errors = data["scenarios"], data.get("errors", {})
    lines = ["| number | value | error | meaning |", "|---|---|---|---|"]
    for name in _SHARED:
        if name in found:
            lines.append(_line(name, found[name], errors.get(name), name))
    groups = found.get("by_asset") or {"": found}
    for asset, numbers in groups.items():
        wrong = errors.get("by_asset", {}).get(asset, {}) if asset else errors
        for name, value in numbers.items():
            if isinstance(value, float) and name not in _SHARED:
                lines.append(_line(f"{asset} {name}".strip(), value, wrong.get(name), name))
    for asset, noise in found.get("noise", {}).items():
        for part, table in noise.items():
            wrong = errors.get("noise", {}).get(asset, {}).get(part, {})
            for i, days in enumerate(table["days"]):
                size, error = table["size"][i], wrong.get("size", [None] * len(table["size"]))[i]
                value = ", ".join(f"{x:g}" for x in size) if isinstance(size, list) else f"{size:g}"
                told = (
                    "–" if error is None else ", ".join(f"{x:g}" for x in error) if isinstance(error, list) else f"{error:g}"
                )
                lines.append(
                    f"| {asset} noise of {part}, {days:g} days | {value} | {told} | standard deviation over 6 hours |"
                )
            for name in ("exponent", "degrees"):
                if name in table:
                    lines.append(_line(f"{asset} {name} of noise of {part}", table[name], wrong.get(name), ""))
    if "*" in found.get("noise", {}):
        lines += ["", "`*` stands in for underlyings that nobody measured: the larger of the others, without an error."]
    return lines


def _line(title: str, value: Any, error: Any, field: str) -> str:
    told = f"{error:g}" if isinstance(error, int | float) and isfinite(error) else "–"
    return f"| {title} | {value:g} | {told} | {_meaning(field)} |"


def _meaning(name: str) -> str:
    for kind in (ParametricScenarios, Response):
        if name in kind.model_fields:
            return str(kind.model_fields[name].description or "").replace("|", "or")
    return ""


def _unfitted(data: Mapping[str, Any]) -> list[str]:
    """Slopes and noises that the model leaves at their defaults: they are nobody's measurement."""
    found = data["scenarios"]
    known = set(found) | {name for one in found.get("by_asset", {}).values() for name in one}
    skip = {"noise", "expiry_noise", "by_asset", "model"}
    return [
        f"- `{name}` is left at {info.default:g}: {info.description}"
        for name, info in Response.model_fields.items()
        if name not in known | skip and isinstance(info.default, int | float)
    ] or ["Nothing: every slope and noise comes from the record."]


_ROW = ("book", "record", "first", "last", "level", "horizon_days", "windows", "hits", "expected", "p_value", "worst")


def _model(told: Any) -> Any:
    return told.get("model") if isinstance(told, Mapping) else type(told).__name__


def _judged(model: str, judged: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    if not judged:
        return ["Not judged: give the results of `hedgeopt scenarios judge` on a record that the model was not fitted to."]
    lines = []
    fix = "give what hedgeopt scenarios judge --out wrote for this model"
    for file, told in judged:
        if not isinstance(told, Mapping) or told.get("model") != model or not isinstance(told.get("rows"), list):
            raise InputError("is of another model", file=file, field="model", value=_model(told), fix=fix)
        for n, row in enumerate(told["rows"]):
            absent = [name for name in _ROW if not isinstance(row, Mapping) or name not in row]
            if absent:
                raise InputError("is missing", file=file, field=f"rows.{n}.{absent[0]}", fix=fix)
        known = [row for row in told["rows"] if row["windows"]]
        first, last = (f(row[name][:10] for row in known) if known else "?" for f, name in ((min, "first"), (max, "last")))
        record, level = (known[0]["record"], f"{100 * known[0]['level']:g} %") if known else ("?", "?")
        lines += [f"Over {record}, {first} to {last} ({file}), losses beyond the {level} value at risk:", ""]
        lines += [
            "| book | hours | windows | exceeded | expected | p | worst loss / CVaR |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row['book']} | {24 * row['horizon_days']:g} | {row['windows']} | {row['hits']} | {row['expected']:.2g} "
            f"| {row['p_value']:.2g} | {'–' if row['worst'] is None else format(row['worst'], '.2g')} |"
            for row in known
        ]
        failed = told.get("refuted") or []
        verdict = (
            f"Refuted at 5 %, all tests together (Holm): {'; '.join(failed)}."
            if failed
            else "Refuted nowhere at 5 % (Holm)."
        )
        most = max((row["windows"] for row in known), default=0)
        lines += ["", f"{verdict} With {most} windows a tail twice as likely as promised is rarely seen.", ""]
    return lines
