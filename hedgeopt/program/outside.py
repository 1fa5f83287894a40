"""A deadline kept by a supervising process, which hears when a solve begins and ends.

A solver in C that ignores its time limit, or loops, cannot be ended from within: signals and threads of Python wait for it.
The command line therefore lets another process watch (:mod:`hedgeopt.cli.supervisor`); without one nothing happens here.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

__all__ = ["due", "tell_to"]

Listener = Callable[[int, float | None], None]
_listener: Listener | None = None
_numbers = itertools.count(1)


def tell_to(listener: Listener | None) -> None:
    """Let ``listener(number, seconds)`` hear of all work that begins, and with None for seconds of its end."""
    global _listener
    _listener = listener


@contextlib.contextmanager
def due(seconds: float) -> Iterator[None]:
    """The code inside should take no longer than ``seconds``, by its limits; such code may lie inside other such code."""
    listener, number = _listener, next(_numbers)
    if listener is None:
        yield
        return
    listener(number, seconds)
    try:
        yield
    finally:
        listener(number, None)
