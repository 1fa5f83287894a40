"""Logging on stderr: ``--verbose`` and ``HEDGEOPT_LOG`` show what the loggers under ``hedgeopt`` tell."""

from __future__ import annotations

import logging
import os
import time

from hedgeopt.cli.console import say
from hedgeopt.errors import InputError

__all__ = ["start_logging", "stop_logging"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_logger = logging.getLogger("hedgeopt")


class _OnStderr(logging.Handler):
    """Each record is one line, marked as ours like every other on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        moment = time.strftime("%H:%M:%S", time.gmtime(record.created))
        say(f"{moment}.{int(record.msecs):03d} {record.levelname.lower()} {record.getMessage()}")


def start_logging(verbose: bool) -> None:
    """Log from "info" on with ``verbose``, else from the level that HEDGEOPT_LOG names, else nothing."""
    named = os.environ.get("HEDGEOPT_LOG", "").strip().lower()
    if named and named not in _LEVELS:
        raise InputError("is no level", field="HEDGEOPT_LOG", value=named, fix=f"set it to one of {', '.join(_LEVELS)}")
    level = _LEVELS[named] if named else logging.INFO
    if not named and not verbose:
        return
    stop_logging()
    _logger.addHandler(_OnStderr())
    _logger.setLevel(min(level, logging.INFO) if verbose else level)
    _logger.propagate = False
    import platform

    import hedgeopt

    _logger.info(
        "hedgeopt %s, %s %s on %s", hedgeopt.__version__, platform.python_implementation(), platform.python_version(),
        platform.platform(),
    )  # fmt: skip


def stop_logging() -> None:
    """Leave the loggers as they were: a program that called a command goes on with its own."""
    for handler in [one for one in _logger.handlers if isinstance(one, _OnStderr)]:
        _logger.removeHandler(handler)
        _logger.setLevel(logging.NOTSET)
        _logger.propagate = True
