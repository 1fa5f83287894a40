"""Bytes of files as they come: plain, or packed by gzip, bzip2, xz, zstd, or as the only file of a zip.

The packing is told by the first bytes, never by the ending. A packed file unfolds to at most :data:`LARGEST_FILE` bytes and
is cut there: a bomb costs that much memory and no more.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.regular import LARGEST_FILE

__all__ = ["beginning", "packing", "unpacked"]

_SIGNS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_FAULTS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_START = 4096


def packing(path: str | Path) -> str:
    """The packing that the first bytes tell: gzip, bzip2, xz, zstd, zip, excel, or "" for none."""
    with Path(path).open("rb") as stream:
        start = stream.read(8)
    found = next((name for sign, name in _SIGNS.items() if start.startswith(sign)), "")
    if found == "zip" and _is_excel(path):
        return "excel"
    return "excel" if start.startswith(b"\xd0\xcf\x11\xe0") else found


def unpacked(path: str | Path, what: str, largest: int | None = None) -> bytes:
    """The bytes of a file, unpacked where it is packed.

    Raises
    ------
    InputError
        For a damaged file, one that unfolds to more than ``largest``, a zip of several files or with a password, and zstd
        without its package.
    """
    path, form = Path(path), ""
    largest = LARGEST_FILE if largest is None else largest
    try:
        form = packing(path)
        with _stream(path, form, what) as stream:
            data = stream.read(largest + 1)
    except PermissionError:
        raise InputError(
            "cannot be read: permission denied", file=path, fix=f"give a {what} file that you may read"
        ) from None
    except InputError:
        raise
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        form = form or path.suffix[1:] or "a file"
        raise InputError(f"cannot be read as {form}: {reason}", file=path, fix="is it truncated? fetch it again") from None
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise InputError(
            f"cannot be read as zstd: {str(error)[:100]}", file=path, fix="is it truncated? fetch it again"
        ) from None
    if form == "zstd" and len(data) <= largest:
        _whole_zstd(path, len(data))
    if len(data) > largest:
        word = "unfolds to more" if form else "is larger"
        fix = "cut it into files, or store it as Parquet"
        raise InputError(f"{word} than {largest >> 20} MiB", file=path, fix=fix)
    return bytes(data)


def beginning(path: str | os.PathLike[str]) -> bytes:
    """The first bytes of a file after unpacking; nothing where it cannot be read: whoever reads it whole says why."""
    try:
        place = Path(os.fspath(path))
        if not place.is_file():
            return b""
        form = packing(place)
        if form == "excel":
            return b""
        with _stream(place, form, "payload") as stream:
            return bytes(stream.read(_START))
    except Exception:  # a damaged file is refused when it is read
        return b""


def _stream(path: Path, form: str, what: str) -> IO[bytes] | Any:
    if form == "gzip":
        return gzip.open(path)
    if form == "bzip2":
        return bz2.open(path)
    if form == "xz":
        return lzma.open(path)
    if form == "zstd":
        require_extra("zstandard", "reading zstd", file=path)
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True, read_across_frames=True)
    if form == "zip":
        return _only_file(path, what)
    return path.open("rb")


def _whole_zstd(path: Path, size: int) -> None:
    """A frame that is cut decodes to its beginning without complaint; its header says how long it is."""
    import zstandard

    with path.open("rb") as stream:
        told = int(zstandard.frame_content_size(stream.read(18)))
    if told >= 0 and size < told:
        problem = f"cannot be read as zstd: it unfolds to {size:,} of {told:,} bytes"
        raise InputError(problem, file=path, fix="is it truncated? fetch it again")


def _only_file(path: Path, what: str) -> IO[bytes] | Any:
    """The one file in a zip; folders and what macOS adds do not count."""
    archive = zipfile.ZipFile(path)
    inside = [item for item in archive.infolist() if not item.is_dir() and not item.filename.startswith(("__MACOSX/", "."))]
    if len(inside) != 1:
        names = ", ".join(item.filename for item in inside[:3]) + (", …" if len(inside) > 3 else "")
        fix = f"unpack it, and give the {what} file itself"
        raise InputError(f"is a zip of {many(len(inside), 'file')} ({names or 'none'})", file=path, fix=fix)
    if inside[0].flag_bits & 1:
        raise InputError("is a zip with a password", file=path, fix="unpack it first")
    return archive.open(inside[0])


def _is_excel(path: str | Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
