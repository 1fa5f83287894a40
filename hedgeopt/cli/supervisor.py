"""Run commands that solve in a child process, watched by the process that was called.

The watcher is small, was forked before anything was loaded, and does nothing but wait: it passes signals on, ends the work
when a solve is long past its time limit (a solver in C that loops cannot be ended from within), or when Ctrl-C has no
effect, and returns the exit code. Where there is no fork (Windows), the limits of the solvers themselves must do.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["GRACE", "MARGIN", "supervised"]

MARGIN = 30.0
"""Seconds beyond its time limit after which a solve is ended from outside; work that only prices gets none."""
GRACE = 8.0
"""Seconds from Ctrl-C until the work is ended from outside; it tries by itself before, see :mod:`hedgeopt.cli.interrupt`."""
_SOLVES = ("solve", "demo", "backtest")
_PRICES = ("risk", "margin")
"""Commands with a time limit that solve nothing."""
_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP")
_NOT_ENDED, _INTERRUPTED = 4, 130
_ENDED = "ended"


def supervised(arguments: Sequence[str], work: Callable[[], int]) -> int:
    """``work()`` in a child, if the command solves and the system can; its exit code, or 4 or 130 if it had to be ended."""
    after_option = {k + 1 for k, word in enumerate(arguments) if word == "--tables"}
    command = next((word for k, word in enumerate(arguments) if not word.startswith("-") and k not in after_option), "")
    wanted = command in (*_SOLVES, *_PRICES) and "--help" not in arguments
    if not wanted or not hasattr(os, "fork") or threading.active_count() > 1:
        return work()
    for stream in (getattr(sys, name) for name in ("stdout", "stderr")):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    reading, writing = os.pipe()
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    wakeup = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    heard = [s for name in _PASSED_ON if signal.getsignal(s := getattr(signal, name)) is not signal.SIG_IGN]
    kept: dict[int, Any] = {s: signal.signal(s, _nothing) for s in (*heard, signal.SIGCHLD)}
    parent, child = os.getpid(), os.fork()
    if child:
        os.close(writing)
        _say_nothing(1)
        with contextlib.suppress(OSError):  # the child does it too: whoever is first
            os.setpgid(child, child)
        code = _watch(child, reading, waking, command in _SOLVES)
        _say_nothing(2)
        return code
    signal.set_wakeup_fd(wakeup)
    for number, handler in kept.items():
        signal.signal(number, handler)
    for descriptor in (reading, waking, woken):
        os.close(descriptor)
    _be_a_child(parent, writing)
    code = work()
    with contextlib.suppress(OSError):
        os.write(writing, f"{_ENDED} {code}\n".encode())
    return code


def _say_nothing(descriptor: int) -> None:
    """Only the child prints the answer: anything printed in this process, also while it ends, goes to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _nothing(*_: Any) -> None:
    """Python writes the signal's number to the descriptor that wakes the watcher."""


def _be_a_child(parent: int, writing: int) -> None:
    """Join a new process group, so that signals come once, from the parent; end with the parent; report solves to it."""
    from hedgeopt.program.outside import tell_to

    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # may write to the terminal all the same
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    def tell(number: int, seconds: float | None) -> None:
        with contextlib.suppress(OSError):
            os.write(writing, f"{number} {'-' if seconds is None else seconds}\n".encode())

    tell_to(tell)


def _watch(child: int, reading: int, waking: int, solves: bool) -> int:
    due: dict[str, tuple[float, float]] = {}
    stop = float("inf")
    code: int | None = None
    rest, listened = b"", [waking, reading]
    more = MARGIN if solves else 0.0
    while True:
        now = time.monotonic()
        first = min([stop, *(moment for moment, _ in due.values())])
        ready = select.select(listened, [], [], None if first == float("inf") else max(first - now, 0.0))[0]
        if reading in ready:
            new = os.read(reading, 65536)
            if not new:
                listened = [waking]
            *lines, rest = (rest + new).split(b"\n")
            for line in lines:
                work, told = line.decode().split()
                due.pop(work, None)
                if work == _ENDED:  # it has printed everything
                    code = int(told)
                elif told != "-":
                    due[work] = time.monotonic() + float(told) + more, float(told)
        for number in os.read(waking, 512) if waking in ready else b"":
            if number == signal.SIGTSTP:
                slept = _pause(child)
                due = {work: (moment + slept, seconds) for work, (moment, seconds) in due.items()}
            elif number != signal.SIGCHLD:
                _send(child, number)
                if number == signal.SIGINT:
                    stop = min(stop, time.monotonic() + GRACE)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _as_it_ended(status)
        now = time.monotonic()
        if now >= stop:
            return _end(child, "interrupted", _INTERRUPTED) if code is None else _end(child, "", code)
        for moment, seconds in due.values():
            if now >= moment:
                return _end(child, _late(seconds, solves), _NOT_ENDED)


def _late(seconds: float, solves: bool) -> str:
    if not solves:
        told = f"reading and pricing did not end within {seconds:g} s"
        return f"{told} and were ended: there is no answer; give --time-limit more, or fewer scenarios and positions"
    told = f"did not end within {seconds + MARGIN:g} s (time_limit_seconds = {seconds:g}, and {MARGIN:g} more)"
    return (
        f"solving {told} and was ended: pricing takes longer, or a solver ignores its limit; there is no proposal; give "
        "more time, another solver (solver in the policy, or --solver), fewer candidates or fewer scenarios"
    )


def _pause(child: int) -> float:
    """Ctrl-Z: stop the work, then this process; go on together. Returns the seconds that passed."""
    begun = time.monotonic()
    _send(child, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)
    _send(child, signal.SIGCONT)
    return time.monotonic() - begun


def _send(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _end(child: int, words: str, code: int) -> int:
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not words:
        return code
    cursor = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""  # a spinner may have hidden it
    with contextlib.suppress(OSError):
        os.write(2, f"{cursor}hedgeopt: {words}\n".encode())
    return code


def _as_it_ended(status: int) -> int:
    """The child's exit code; a signal that ended it ends this process as well."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.WEXITSTATUS(status)
