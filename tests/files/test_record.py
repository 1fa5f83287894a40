"""Every input model is a record: finite numbers, no text for numbers, no numbers for moments, nothing unknown."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

import hedgeopt
from hedgeopt.backtest.settings import BacktestConfig
from hedgeopt.errors import InputError
from hedgeopt.files.record import LARGEST, Record
from hedgeopt.inputs.book import Book, Position
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.pricing.families import INSTRUMENT


@pytest.mark.parametrize("value", [1, 1.5, -3, np.float32(0.5), np.float64(2), np.int64(7), np.array(4.0), LARGEST])
def test_numbers_are_taken(value):
    assert Position(instrument="x", quantity=value).quantity == float(value)


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.bool_(1),
        "5",
        " 5 ",
        "1_000",
        "NaN",
        float("nan"),
        float("inf"),
        -float("inf"),
        10**400,
        -1.1e18,
        None,
        [1],
        {},
    ],
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError):
        Position(instrument="x", quantity=value)


@pytest.mark.parametrize(
    "expiry", [-1, 0, 1.7e9, True, "1677-09-21T00:00:00Z", "2200-01-01T00:00:00Z", "tomorrow", "2026-03-27"]
)
def test_what_is_no_moment_of_our_time_is_refused(expiry):
    option = {
        "kind": "option",
        "name": "o",
        "venue": "v",
        "underlying": "BTC",
        "settlement": "BTC",
        "strike": 1.0,
        "right": "put",
    }
    INSTRUMENT.validate_python({**option, "expiry": "2026-03-27T08:00:00Z"})
    with pytest.raises(ValidationError, match="expiry"):
        INSTRUMENT.validate_python({**option, "expiry": expiry})


def _models() -> list[type[BaseModel]]:
    for found in pkgutil.walk_packages(hedgeopt.__path__, "hedgeopt."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    seen: list[type[BaseModel]] = []
    queue: list[type] = [BaseModel]
    while queue:
        for model in queue.pop().__subclasses__():
            queue.append(model)
            if model.__module__.startswith("hedgeopt") and model not in seen:
                seen.append(model)
    return seen


def _numbers(schema: object) -> list[dict]:
    """Every number, boolean and moment in a core schema that is not strict."""
    if isinstance(schema, list | tuple):
        return [found for item in schema for found in _numbers(item)]
    if not isinstance(schema, dict):
        return []
    loose = schema.get("type") in ("float", "int", "bool") and not schema.get("strict")
    return [schema] * loose + [
        found for key, item in schema.items() if key not in ("metadata", "default") for found in _numbers(item)
    ]


def test_every_input_model_is_a_record():
    models = _models()
    assert len(models) > 50
    assert [model for model in models if not issubclass(model, Record)] == []


@pytest.mark.parametrize("model", [Book, Policy, BacktestConfig])
def test_no_number_anywhere_in_an_input_is_loose(model):
    assert _numbers(model.__pydantic_core_schema__) == []
