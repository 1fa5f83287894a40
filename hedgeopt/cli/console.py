"""Messages to the caller: one line on stderr, and the stage that a command has reached."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hedgeopt._extras import how_to_install, installed
from hedgeopt.cli.streams import output, words

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["answer_console", "progress", "say", "say_without_charts"]

_LONGEST_WORD = 400
_WIDTH, _HEIGHT, _NARROWEST, _WIDEST = 100, 50, 20, 1000


def say(message: str, code: int = 0) -> int:
    """Write one line on stderr, very long words shortened; returns ``code``."""
    short = (word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…" for word in message.split())
    with contextlib.suppress(OSError):  # nobody can read it: the exit code still tells
        print(f"hedgeopt: {' '.join(short)}", file=words(), flush=True)
    return code


def say_without_charts() -> None:
    """Tell where a page was drawn without its charts, and which command brings them."""
    if not installed("matplotlib"):
        say(f"the page has no charts: {how_to_install('matplotlib')}")


def answer_console() -> Console:
    """For the answer: as wide as COLUMNS or the terminal says, 100 columns where neither does."""
    from rich.console import Console

    # with a height too, rich does not read COLUMNS itself, which may hold anything
    return Console(file=output(), width=_columns(), height=_HEIGHT, highlight=False, markup=False)


def _columns() -> int:
    named = os.environ.get("COLUMNS", "")
    if named.isascii() and named.isdecimal() and _NARROWEST <= int(named) <= _WIDEST:
        return int(named)
    try:
        found = os.get_terminal_size(output().fileno()).columns if output().isatty() else 0
    except (AttributeError, OSError, ValueError):
        found = 0
    return max(found, _NARROWEST) if found else _WIDTH


@contextmanager
def progress(first: str = "loading") -> Iterator[Callable[[str], None]]:
    """Show the stage on stderr: a spinner on a terminal, elsewhere a line every few seconds once the work is long."""
    if not words().isatty():
        with _lines(first) as stage:
            yield _logged(stage)
        return
    from rich.console import Console

    console = Console(file=words())
    # the usual spinner is drawn in Braille
    with console.status(first, spinner="dots" if console.encoding.startswith("utf") else "line") as status:
        yield _logged(lambda stage: status.update(_STAGES.get(stage, stage)))


@contextmanager
def _lines(first: str) -> Iterator[Callable[[str], None]]:
    """From twice the interval on, a line per interval with the stage and the seconds since the start."""
    interval = _interval()
    if interval is None:
        yield lambda stage: None
        return
    at, start, ended = [first], time.monotonic(), threading.Event()

    def tell() -> None:
        wait = 2 * interval
        while not ended.wait(wait):
            say(f"{_STAGES.get(at[0], at[0])} ({time.monotonic() - start:.0f} s)")
            wait = interval

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield lambda stage: at.__setitem__(0, stage)
    finally:
        ended.set()
        teller.join()


def _interval() -> float | None:
    """Seconds between lines of progress: HEDGEOPT_PROGRESS, default 5; 0 or no number: none."""
    try:
        seconds = float(os.environ.get("HEDGEOPT_PROGRESS", "5"))
    except ValueError:
        return None
    return seconds if 0.0 < seconds < float("inf") else None


def _logged(show: Callable[[str], None]) -> Callable[[str], None]:
    log, start = logging.getLogger(__name__), time.perf_counter()

    def stage(name: str) -> None:
        log.info("%s, after %.2f s", _STAGES.get(name, name), time.perf_counter() - start)
        show(name)

    return stage


_STAGES = {
    "read": "reading the files",
    "plan": "looking for an order of the legs",
    "value": "pricing book and candidates in every scenario",
    "build": "building the program",
    "solve": "solving",
    "certify": "proving the answer",
    "report": "summing up",
    "promise": "drawing afresh",
    "record": "replaying the record",
    "draw": "drawing the page",
}
