"""Ctrl-C: one line and exit code 130, also while a library in C has the interpreter waiting.

Python turns the signal into ``KeyboardInterrupt`` only once C code returns, which a solver may do after minutes. So a thread
watches for the signal too: when the command has not ended some seconds later, it ends the process. Nothing is half-written
by that, because files are written by Python code, which the exception stops at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from hedgeopt.cli.streams import words

__all__ = ["INTERRUPTED", "heard", "interrupted"]

INTERRUPTED = 130
_GRACE = 5.0
"""Seconds that a command may take to clean up."""
_heard = False


def heard() -> bool:
    """True when Ctrl-C came while this command ran, even if a library (numba) turned it into another exception."""
    return _heard


def _hear(number: int, frame: FrameType | None) -> None:
    global _heard
    _heard = True
    signal.default_int_handler(number, frame)


@contextlib.contextmanager
def interrupted(whole_process: bool) -> Iterator[None]:
    """Watch for SIGINT while the command runs; only where the process is this command alone."""
    if not whole_process or threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = socket.socketpair()
    reading.setblocking(True)
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)
    ended = threading.Event()
    threading.Thread(target=_watch, args=(reading, ended), name="interrupt", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        writing.close()
        # from here on Python only ends: a library that waits in its own exit handler must not hold up Ctrl-C
        if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _hear):
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _watch(reading: socket.socket, ended: threading.Event) -> None:
    with reading:
        while signals := reading.recv(64):
            if signal.SIGINT in signals:
                break
        else:
            return
    if not ended.wait(_GRACE):
        with contextlib.suppress(OSError, ValueError):
            os.write(words().fileno(), b"hedgeopt: interrupted\n")
        os._exit(INTERRUPTED)
