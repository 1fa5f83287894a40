"""Run a command: exit codes, one-line errors, and a standard output that no library can write to."""

from __future__ import annotations

import errno
import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import typer

from hedgeopt.cli.console import say
from hedgeopt.cli.interrupt import INTERRUPTED, heard, interrupted
from hedgeopt.cli.logs import stop_logging
from hedgeopt.cli.streams import open_all, output, own_output, unseen
from hedgeopt.cli.usage import usage_line
from hedgeopt.errors import HedgeoptError, InfeasibleError, InputError

__all__ = ["guarded"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PIPE_CLOSED, _UNEXPECTED, _USAGE = 1, 1, 2
_UsageError = typer.BadParameter.__base__  # click's, which newer typer carries inside
assert _UsageError is not None


def guarded(arguments: Sequence[str], whole_process: bool = False) -> int:
    """Run the app on ``arguments``; see ``hedgeopt --help`` for the exit codes.

    A traceback is shown only with ``--debug`` or ``HEDGEOPT_DEBUG=1``. ``whole_process``: nothing runs after this command.
    """
    debug = "--debug" in arguments or os.environ.get("HEDGEOPT_DEBUG", "") not in ("", "0")
    open_all()
    # interrupted() is outermost: it also covers the final flush of stdout
    with interrupted(whole_process), own_output(whole_process, debug):
        try:
            with warnings.catch_warnings():
                if not debug:
                    warnings.simplefilter("ignore")
                return _run(arguments, debug)
        except HedgeoptError as error:
            if debug:
                raise
            if heard():
                return say("interrupted", INTERRUPTED)
            return _say_all([str(error), *getattr(error, "__notes__", ())], error.exit_code)
        except (KeyboardInterrupt, typer.Abort):
            return say("interrupted", INTERRUPTED)
        except BrokenPipeError:
            return _PIPE_CLOSED
        except _UsageError as error:  # type: ignore[misc]
            return say(_line(usage_line, error), _USAGE)
        except Exception as error:
            if debug:
                raise
            if heard():
                return say("interrupted", INTERRUPTED)
            if type(error).__module__.startswith("pydantic"):  # something made from the inputs, further in
                from hedgeopt.files.reading import validation_line

                return say(_line(lambda found: validation_line(found, None), error), InputError.exit_code)
            if isinstance(error, OSError) and error.filename is None and error.errno in _NO_ROOM:
                fix = "make room there, or write to files with --out"
                return say(f"standard output: cannot be written: {error.strerror}; {fix}", InputError.exit_code)
            fault = f"unexpected {type(error).__name__}: {error}"
            return say(f"{fault}; run again with --debug (or HEDGEOPT_DEBUG=1) for the traceback", _UNEXPECTED)


def _line(make: Callable[[Any], object], error: Exception) -> str:
    """The line that ``make`` writes about an error; where it fails at that, the error as it is."""
    try:
        return str(make(error))
    except Exception as fault:
        found = getattr(error, "format_message", lambda: f"{type(error).__name__}: {error}")()
        return f"{found} (told as it came: {type(fault).__name__} in our own message: {fault}; please report it)"


def _say_all(lines: Sequence[str], code: int) -> int:
    for line in lines:
        say(line)
    return code


def _run(arguments: Sequence[str], debug: bool) -> int:
    from hedgeopt.cli.app import app

    for word in arguments:
        _encoded(word)
    command = typer.main.get_command(app)
    _enclose(command, debug)
    try:
        result = command.main(args=_general_first(arguments), prog_name="hedgeopt", standalone_mode=False)
    finally:
        stop_logging()
    output().flush()
    if result == INTERRUPTED:  # typer's own translation of Ctrl-C
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _general_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with every ``--tables FILE``, ``--verbose`` and ``--debug`` before the command, where they belong."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--tables":
            first += [word, *(found for found in [next(words, None)] if found is not None)]
        else:
            (first if word.startswith("--tables=") or word in ("--verbose", "--debug") else rest).append(word)
    return first + rest


def _encoded(word: str) -> None:
    """Refuse an argument that no system could pass on, such as half a surrogate pair: not even a file could be named so."""
    try:
        bad = "\0" if b"\0" in os.fsencode(word) else ""
    except UnicodeEncodeError as error:
        bad = word[error.start : error.end]
    if bad:
        raise InputError(f"the argument {word!r} contains {bad!r}, which no argument can hold: leave it out") from None


def _enclose(command: Any, debug: bool) -> None:
    """Put every command's body, and those of its sub-commands, where only :func:`output` reaches stdout."""
    for inner in getattr(command, "commands", {}).values():
        _enclose(inner, debug)
    body = command.callback
    if body is None:
        return

    @functools.wraps(body)
    def enclosed(*args: Any, **options: Any) -> Any:
        try:
            with unseen(debug):
                return body(*args, **options)
        except InfeasibleError as error:
            if options.get("json"):
                _print_violations(error)
            raise

    command.callback = enclosed


def _print_violations(error: InfeasibleError) -> None:
    """JSON for scripts when no trade list meets every limit."""
    from hedgeopt.cli.inputs import print_json

    violations = {
        name: {"value": value, "limit": limit, "unit": unit} for name, (value, limit, unit) in error.violations.items()
    }
    print_json(
        {
            "status": "infeasible",
            "message": str(error),
            "details": [*getattr(error, "__notes__", ())],
            "violations": violations,
        }
    )
