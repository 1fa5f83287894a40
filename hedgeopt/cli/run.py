"""Running a command: exit codes, one-line errors, and the progress display."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from hedgeopt.errors import HedgeoptError

__all__ = ["guarded", "progress", "say"]

_INTERRUPTED, _PIPE_CLOSED, _UNEXPECTED, _USAGE = 130, 1, 1, 2
_UsageError = typer.BadParameter.__base__  # click's, which newer typer carries inside
assert _UsageError is not None


def guarded(arguments: Sequence[str]) -> int:
    """Run the app on ``arguments``; see ``hedgeopt --help`` for the exit codes.

    A traceback is shown only with ``--debug`` or ``HEDGEOPT_DEBUG=1``.
    """
    debug = "--debug" in arguments or os.environ.get("HEDGEOPT_DEBUG", "") not in ("", "0")
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            return _run(arguments)
    except HedgeoptError as error:
        if debug:
            raise
        return say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return say("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        return _PIPE_CLOSED
    except _UsageError as error:  # type: ignore[misc]
        return say(_usage(error), _USAGE)
    except Exception as error:
        if debug:
            raise
        words = f"unexpected {type(error).__name__}: {error}; run again with --debug (or HEDGEOPT_DEBUG=1) for the traceback"
        return say(words, _UNEXPECTED)
    finally:
        _drain()


def _drain() -> None:
    """Flush stdout now; where that fails, whoever read it has gone, and Python must not try again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str]) -> int:
    from hedgeopt.cli.app import app

    command = typer.main.get_command(app)
    result = command.main(args=list(arguments), prog_name="hedgeopt", standalone_mode=False)
    sys.stdout.flush()
    if result == _INTERRUPTED:  # typer's own translation of Ctrl-C
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def say(message: str, code: int = 0) -> int:
    """One line on stderr; returns ``code``."""
    print(f"hedgeopt: {' '.join(message.split())}", file=sys.stderr)
    return code


@contextmanager
def progress(first: str = "loading") -> Iterator[Callable[[str], None]]:
    """A spinner with the name of the stage, on stderr and only where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status(first) as status:
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


def _usage(error: BaseException) -> str:
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    return f"{error.format_message()}{where}"  # type: ignore[attr-defined]
