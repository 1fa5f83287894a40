"""Refuses everything but ordinary files before opening them, so that nothing hangs."""

from __future__ import annotations

import errno
import stat
from datetime import UTC, datetime
from pathlib import Path

from hedgeopt.errors import InputError

__all__ = ["LARGEST_FILE", "parse_moment", "require_file"]

LARGEST_FILE = 256 * 2**20
"""Bytes of the largest file that is read whole."""

_FIRST_YEAR, _LAST_YEAR = 2000, 2200


def require_file(path: str | Path, what: str, *, field: str | None = None, largest: int | None = LARGEST_FILE) -> Path:
    """The path, when it leads to an ordinary file of at most ``largest`` bytes that is not empty.

    Raises
    ------
    InputError
        For what does not exist, a folder, a pipe, a device, links that go in circles, and a file too large or empty.
    """
    try:
        path = Path(path)
        found = path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise InputError(f"{what} file not found", file=path, field=field) from None
        if error.errno == errno.ELOOP:
            raise InputError("is a link that leads back to itself", file=path, field=field) from None
        if error.errno == errno.EACCES:
            raise InputError("cannot be read: permission denied", file=path, field=field) from None
        raise InputError(f"cannot be read: {error.strerror}", file=_cut(Path(path)), field=field) from None
    except (ValueError, RuntimeError):  # NUL in the name, half a character; Python 3.11 and 3.12 on circles of links
        raise InputError("is not the name of a file", file=field, value=ascii(str(path))) from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"is a folder, not a {what} file", file=path, field=field)
    if not stat.S_ISREG(found.st_mode):
        fix = "write its contents to a file first"
        raise InputError(f"is a pipe or a device, not a {what} file", file=path, field=field, fix=fix)
    if largest is not None and found.st_size > largest:
        raise InputError(f"is larger than {largest >> 20} MiB", file=path, field=field, fix=f"give a {what} file")
    if found.st_size == 0:
        raise InputError("is empty", file=path, field=field, fix=f"give a {what} file")
    return path


def parse_moment(text: str | datetime, field: str) -> datetime:
    """A moment from ISO 8601, UTC where no zone is given; years 2000 to 2200."""
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, AttributeError):
        raise InputError("is not a date and time", field=field, value=text, fix="write 2026-02-05T21:29:37Z") from None
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise InputError(f"lies in the year {moment.year}", field=field, value=text, fix="give one from 2000 to 2200")
    return moment


def _cut(path: Path) -> str:
    name = str(path)
    return name if len(name) <= 200 else name[:199] + "…"
