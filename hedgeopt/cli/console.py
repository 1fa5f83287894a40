"""Messages to the caller: one line on stderr, and the stage that a command has reached."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hedgeopt._extras import how_to_install, installed
from hedgeopt.cli.streams import words

__all__ = ["progress", "say", "say_without_charts"]

_LONGEST_WORD = 400


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


@contextmanager
def progress(first: str = "loading") -> Iterator[Callable[[str], None]]:
    """A spinner with the name of the stage, on stderr and only where that is a terminal."""
    if not words().isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    console = Console(file=words())
    # the usual spinner is drawn in Braille
    with console.status(first, spinner="dots" if console.encoding.startswith("utf") else "line") as status:
        yield lambda stage: status.update(_STAGES.get(stage, stage))


_STAGES = {
    "read": "reading the files",
    "value": "pricing book and candidates in every scenario",
    "build": "building the program",
    "solve": "solving",
    "certify": "proving the answer",
    "report": "summing up",
    "draw": "drawing the page",
}
