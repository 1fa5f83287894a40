"""Keeping what C libraries print out of standard output.

A library in C prints on file descriptor 1, past ``sys.stdout``: HiGHS 1.16 prints two lines when its first ``Highs()`` is
made, before any option can be set. Two measures: the command line points descriptor 1 elsewhere for as long as it runs
(:mod:`hedgeopt.cli.streams`), and for use as a library :func:`without_output` does so for the moment of a call.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

__all__ = ["STDOUT", "flush_c", "silence_highs", "without_output"]

STDOUT = 1
_turn = Lock()
T = TypeVar("T")


def flush_c() -> None:
    """Write out what C's ``stdio`` still holds; it would otherwise come out later, wherever descriptor 1 then points."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        (ctypes.CDLL("ucrtbase") if sys.platform == "win32" else ctypes.CDLL(None)).fflush(None)


def without_output(call: Callable[[], T]) -> T:
    """``call()``, with descriptor 1 on the null device meanwhile.

    Only for calls of a moment: the descriptor belongs to the whole process, so another thread's output is lost as well.
    """
    with _turn:
        try:
            kept = os.dup(STDOUT)
        except OSError:  # closed: nothing to keep clean
            return call()
        try:
            flush_c()
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, STDOUT)
            os.close(sink)
            return call()
        finally:
            flush_c()
            os.dup2(kept, STDOUT)
            os.close(kept)


@functools.cache
def silence_highs() -> None:
    """Let HiGHS print the lines it prints once in a process now, unseen; also for those that cvxpy makes later."""
    import highspy

    without_output(highspy.Highs)
