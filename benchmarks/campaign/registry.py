"""The list of entries, and the run of one."""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENTRIES", "Entry", "campaign", "load", "outcomes", "source_digest", "with_examples"]

ROOT = Path(__file__).resolve().parents[2]
Case = Callable[[int], str]


@dataclass(frozen=True)
class Entry:
    """A check of many random cases; see the package's text."""

    name: str
    about: str
    case: Case
    full: int
    sample: int
    never: tuple[str, ...]
    sources: tuple[str, ...]
    repeatable: bool = True

    def numbers(self) -> list[int]:
        """The cases CI repeats: spread over the campaign, so that it isn't always the first."""
        return sorted({i * self.full // self.sample for i in range(self.sample)})

    def forbidden(self, outcome: str) -> bool:
        """Whether this outcome must not occur."""
        return outcome in self.never or outcome.startswith("raised ")


ENTRIES: dict[str, Entry] = {}


def campaign(
    name: str,
    *,
    about: str,
    full: int,
    sample: int,
    never: tuple[str, ...],
    sources: tuple[str, ...],
    repeatable: bool = True,
) -> Callable[[Case], Case]:
    """Register a function from a case's number to its outcome."""
    if not 0 < sample <= full:
        raise ValueError(f"{name}: sample must be between 1 and full")

    def add(case: Case) -> Case:
        if name in ENTRIES:
            raise ValueError(f"two entries are called {name!r}")
        ENTRIES[name] = Entry(name, about, case, full, sample, never, (*sources, _file(case)), repeatable)
        return case

    return add


def with_examples(multiple: float, *tests: str) -> str:
    """Outcome of pytest on ``tests`` with ``multiple`` times their usual number of examples: "passed" or "failed"."""
    environment = {**os.environ, "HEDGEOPT_TEST_EXAMPLES": str(multiple)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr)
    return "passed" if done.returncode == 0 else "failed"


def load() -> dict[str, Entry]:
    """Import every module of this package, so that entries register themselves."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "__main__":
            importlib.import_module(f"benchmarks.campaign.{module.name}")
    return dict(sorted(ENTRIES.items()))


def outcomes(entry: Entry, numbers: Iterable[int], workers: int = 1, told: Callable[[int], None] | None = None) -> list[str]:
    """The outcome of every case, in the order of ``numbers``; an exception is an outcome."""
    found: list[str] = []
    wanted = list(numbers)
    if workers == 1:
        results: Iterable[str] = (_outcome(entry.name, number) for number in wanted)
        return _collect(results, found, told)
    with ProcessPoolExecutor(workers) as pool:
        return _collect(pool.map(_outcome, [entry.name] * len(wanted), wanted), found, told)


def source_digest(entry: Entry) -> str:
    """SHA-256 over the names and texts of the entry's sources, in order of name."""
    digest = hashlib.sha256()
    for path in _files(entry.sources):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _collect(results: Iterable[str], found: list[str], told: Callable[[int], None] | None) -> list[str]:
    for outcome in results:
        found.append(outcome)
        if told is not None:
            told(len(found))
    return found


def _outcome(name: str, number: int) -> str:
    entry = load()[name]
    try:
        return entry.case(number)
    except Exception as error:
        return f"raised {type(error).__name__}"


def _file(case: Case) -> str:
    return Path(case.__code__.co_filename).resolve().relative_to(ROOT).as_posix()


def _files(sources: Iterable[str]) -> list[Path]:
    found: set[Path] = set()
    for source in sources:
        path = ROOT / source
        if not path.exists():
            raise FileNotFoundError(f"no source {source!r} in the repository")
        found |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return sorted(found)
