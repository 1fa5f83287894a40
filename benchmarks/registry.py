"""The list of benchmarks: one self-registering file each; a benchmark yields one JSON-ready record per case."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Run = Callable[[bool], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class Benchmark:
    """``run(smoke)`` yields records; ``smoke`` asks for tiny sizes that only show that it runs."""

    name: str
    about: str
    run: Run


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str, about: str) -> Callable[[Run], Run]:
    """Register ``run(smoke)`` under a name."""

    def add(run: Run) -> Run:
        if name in BENCHMARKS:
            raise ValueError(f"two benchmarks are called {name!r}")
        BENCHMARKS[name] = Benchmark(name, about, run)
        return run

    return add


def load() -> dict[str, Benchmark]:
    """Import every module of this package so that it registers itself."""
    for module in pkgutil.iter_modules(importlib.import_module("benchmarks").__path__):
        if module.name != "__main__":
            importlib.import_module(f"benchmarks.{module.name}")
    return dict(sorted(BENCHMARKS.items()))
