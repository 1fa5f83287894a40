"""Output that is whole or absent, whatever happens: several files change together, as one unit.

A run's files are written into a hidden folder beside their places and brought to disk. Then a journal lists what is to be
renamed; then the old files step aside; then the new ones are renamed into place; then the hidden folder goes. Killed before
the journal, nothing has changed. Killed after it, the files in place are all of one run (some may be missing), and the next
command that writes there finishes the renaming. The files of two runs never stand side by side.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from hedgeopt.errors import InputError

__all__ = ["refuse_unwritable", "settle_folder", "write_atomically"]

_PREFIX = ".hedgeopt-"
_JOURNAL = "journal"
_SWEPT: set[Path] = set()


def write_atomically(files: Mapping[Path, str | bytes]) -> None:
    """Write all ``files`` (text in UTF-8) or none.

    New files get the permissions that the umask allows, replaced ones keep theirs; links are followed.

    Raises
    ------
    InputError
        When a file cannot be written (no room, no permission, a folder in the way); nothing has changed then.
    """
    if not files:
        return
    targets = {Path(os.path.realpath(path)): text for path, text in files.items()}
    root = Path(os.path.commonpath([Path(os.path.abspath(path)).parent for path in files]))
    stage = root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    target = next(iter(targets))
    made: list[Path] = []
    try:
        if len(targets) < len(files):
            raise OSError(None, "two outputs have one name")
        made = _make(root)
        if root not in _SWEPT:
            settle_folder(root)
            _SWEPT.add(root)
        stage.mkdir()
        moves: dict[Path, Path] = {}
        for target, text in targets.items():
            made += _make(target.parent)
            if target.is_dir():
                raise OSError(None, "a folder has this name")
            moves[target] = stage / f"{len(moves)}.new"
            _write(moves[target], text if isinstance(text, bytes) else text.encode("utf-8"), like=target)
        _commit(stage, moves)
    except (OSError, UnicodeEncodeError) as error:
        shutil.rmtree(stage, ignore_errors=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be written: {reason}", file=target, fix="choose another folder") from None
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def refuse_unwritable(folder: Path) -> None:
    """Before a long computation: make sure that its files can be written to ``folder``; leaves nothing there.

    Raises
    ------
    InputError
        When a file could not be written, for the reasons that can be known now.
    """
    root = Path(os.path.abspath(folder))
    stage = root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    made: list[Path] = []
    try:
        made = _make(root)
        stage.mkdir()
        stage.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot be written to: {reason}", file=folder, fix="choose another folder") from None
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir()


def settle_folder(folder: Path) -> None:
    """Finish what a killed run began in ``folder``: complete its renaming, and remove what it left behind."""
    for stage in sorted(folder.glob(f"{_PREFIX}*-*")):
        if _alive(stage.name):
            continue
        journal = stage / _JOURNAL
        if journal.exists():
            for target, new in json.loads(journal.read_text(encoding="utf-8")).items():
                if (stage / new).exists():
                    os.replace(stage / new, folder / target)
        shutil.rmtree(stage, ignore_errors=True)


def _commit(stage: Path, moves: Mapping[Path, Path]) -> None:
    """Exchange every target for its new file; on an error, or Ctrl-C, everything is as it was."""
    if len(moves) > 1:
        draft = stage / "draft"
        _write(
            draft, json.dumps({os.path.relpath(target, stage.parent): new.name for target, new in moves.items()}).encode()
        )
        os.replace(draft, stage / _JOURNAL)
        _to_disk(stage)
        _to_disk(stage.parent)
    aside = {target: new.with_suffix(".old") for target, new in moves.items()} if len(moves) > 1 else {}
    try:
        for target, old in aside.items():
            if target.exists():
                os.replace(target, old)
        for target, new in moves.items():
            os.replace(new, target)
    except BaseException:
        for target, old in aside.items():
            with contextlib.suppress(OSError):
                if old.exists():
                    os.replace(old, target)
                elif not moves[target].exists():
                    target.unlink(missing_ok=True)
        raise
    for folder in {target.parent for target in moves}:
        _to_disk(folder)
    # the journal goes first: what is left of the folder after that is rubbish
    (stage / _JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(stage, ignore_errors=True)


def _write(path: Path, data: bytes, like: Path | None = None) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if like is not None and like.exists():
        path.chmod(like.stat().st_mode & 0o7777)


def _make(folder: Path) -> list[Path]:
    """Create a folder with its parents; those that were missing, outermost first."""
    missing = []
    while not folder.exists():
        if folder.is_symlink():
            raise OSError(None, f"{folder} is a link that leads nowhere")
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
    return missing[::-1]


def _alive(name: str) -> bool:
    """Whether the process whose number a hidden folder's name carries still runs here."""
    try:
        os.kill(int(name.removeprefix(_PREFIX).split("-")[0]), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return not _ended(name)


def _ended(name: str) -> bool:
    """Whether that process has ended, and nobody has asked for its exit code yet (Linux)."""
    number = name.removeprefix(_PREFIX).split("-")[0]
    try:
        text = Path(f"/proc/{int(number)}/stat").read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return False
    return text.rpartition(")")[2].split()[:1] == ["Z"]


def _to_disk(folder: Path) -> None:
    """Make renames in a folder last through a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
