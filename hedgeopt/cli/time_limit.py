"""``--time-limit`` over all of a command's work: loading and reading too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["within"]


@contextlib.contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Let the watching process know; without a limit, or with one that is refused later, nothing happens."""
    if seconds is None or not 0.0 < seconds < float("inf"):
        yield
        return
    from hedgeopt.program.outside import due

    with due(seconds):
        yield
