"""A deadline kept by a supervising process, which hears when a solve begins and ends.

A solver in C that ignores its time limit, or loops, cannot be ended from within: signals and threads of Python wait for it.
The command line therefore lets another process watch (:mod:`hedgeopt.cli.supervisor`); without one nothing happens here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["due", "tell_to"]

Listener = Callable[[int, float | None], None]
_listener: Listener | None = None


def tell_to(listener: Listener | None) -> None:
    """Let ``listener(thread, seconds)`` hear of every solve that begins, and with None for seconds of its end."""
    global _listener
    _listener = listener


@contextlib.contextmanager
def due(seconds: float) -> Iterator[None]:
    """The code inside should take no longer than ``seconds``, by its limits."""
    listener, thread = _listener, threading.get_ident()
    if listener is None:
        yield
        return
    listener(thread, seconds)
    try:
        yield
    finally:
        listener(thread, None)
