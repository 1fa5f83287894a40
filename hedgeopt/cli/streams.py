"""Standard output and standard error of a command: reserved for us, and written in the terminal's encoding.

While a command runs, file descriptor 1 and ``sys.stdout`` lead to the null device (with ``--debug`` to stderr), so that no
library, in Python or in C, can print between the lines of our answer. A command writes to :func:`output`, a stream on a copy
of the descriptor that the process was given; ``print`` reaches nobody.

Standard error is treated alike: :func:`words` is ours, and libraries that log there (matplotlib about its cache without a
home) are not heard. With ``--debug`` it stays as it is.

Characters that the encoding cannot express are replaced by near ones (``≥`` by ``>=``), else by ``?``: a terminal in cp437
must not cost the answer of a long solve.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from hedgeopt._quiet import STDOUT, flush_c
from hedgeopt.reports.near import nearest

__all__ = ["NEAREST", "open_all", "output", "own_output", "unseen", "words"]

STDERR = 2

NEAREST = "hedgeopt.nearest"
_current: TextIO | None = None
_words: TextIO | None = None


def output() -> TextIO:
    """The stream for a command's answer; outside a command it is ``sys.stdout``."""
    return _current if _current is not None else sys.stdout


def words() -> TextIO:
    """The stream for faults and progress; outside a command it is ``sys.stderr``."""
    return _words if _words is not None else sys.stderr


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    # an error handler's answer must itself be encodable: plain ASCII
    return nearest(error.object[error.start : error.end]), error.end


codecs.register_error(NEAREST, _nearest)


@contextlib.contextmanager
def own_output(whole_process: bool, debug: bool = False) -> Iterator[None]:
    """Reserve standard output, and without ``debug`` standard error, for our messages.

    ``whole_process``: the process is this command alone. Descriptor 1 is then not given back at the end, because libraries
    may still print while Python ends. Otherwise (tests, notebooks, other programs) everything is as before afterwards.
    """
    with contextlib.nullcontext() if debug else _own_errors(whole_process), _own_answers(whole_process, debug):
        yield


@contextlib.contextmanager
def _own_answers(whole_process: bool, debug: bool) -> Iterator[None]:
    global _current
    given = sys.stdout
    if _descriptor(given) != STDOUT:  # a stream of the caller's, which C cannot write to
        with _lenient(given):
            _current = given
            try:
                yield
            finally:
                _current = None
        return
    given.flush()
    flush_c()
    kept = os.dup(STDOUT)
    _point(STDOUT, 2 if debug else None)
    encoding = getattr(given, "encoding", None) or "utf-8"
    lines = 1 if os.isatty(kept) else -1
    own = open(kept, "w", buffering=lines, encoding=encoding, errors=_errors(given))  # noqa: SIM115
    _current = sys.stdout = own
    try:
        yield
    finally:
        # if this fails, the reader has gone for good: Python must not try again at exit
        try:
            own.flush()
        except OSError:
            _point(kept, None)
        flush_c()
        if not whole_process:
            os.dup2(kept, STDOUT)
            _current, sys.stdout = None, given
            own.close()


@contextlib.contextmanager
def _own_errors(whole_process: bool) -> Iterator[None]:
    """:func:`words` gets standard error, whoever else writes there the null device."""
    global _words
    given, kept = sys.stderr, None
    if _descriptor(given) == STDERR:
        given.flush()
        flush_c()
        kept = os.dup(STDERR)
        _point(STDERR, None)
        encoding = getattr(given, "encoding", None) or "utf-8"
        _words = open(kept, "w", buffering=1, encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    else:  # a stream of the caller's, which C cannot write to
        _words = given
    sink = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stderr = sink
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            _words.flush()
        if not whole_process:
            if kept is not None:
                flush_c()
                os.dup2(kept, STDERR)
                _words.close()
            _words, sys.stderr = None, given
            sink.close()


@contextlib.contextmanager
def unseen(debug: bool = False) -> Iterator[None]:
    """``print`` leads nowhere (with ``debug`` to stderr): for the body of a command."""
    if debug:
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    with open(os.devnull, "w", encoding="utf-8", errors="replace") as sink, contextlib.redirect_stdout(sink):
        yield


def open_all() -> None:
    """Leave no descriptor below 3 free: a file opened later would get it, and prints would be written into that file."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _point(descriptor, None)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if sys.stdout is None:  # closed by whoever called: nobody wants to read
        sys.stdout = open(STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _point(descriptor: int, target: int | None) -> None:
    """Let ``descriptor`` lead where ``target`` does; None is the null device."""
    new = os.open(os.devnull, os.O_RDWR) if target is None else os.dup(target)
    if new == descriptor:  # it was closed
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(new, descriptor)
        os.close(new)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def _errors(stream: Any) -> str:
    """The stream's error handler, unless that would raise."""
    own = getattr(stream, "errors", None) or "strict"
    return NEAREST if own in ("strict", "surrogateescape", "surrogatepass") else own


@contextlib.contextmanager
def _lenient(stream: Any) -> Iterator[None]:
    if not isinstance(stream, io.TextIOWrapper) or _errors(stream) != NEAREST:
        yield
        return
    before = stream.errors
    stream.reconfigure(errors=NEAREST)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.reconfigure(errors=before)
