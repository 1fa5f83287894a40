"""Finished cells on disk: one file each, whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.writing import write_atomically

__all__ = ["CellStore"]


class CellStore:
    """A folder of ``KEY.json`` files; any number of processes may read and write it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where a cell's record is or would be."""
        return self.folder / f"{key}.json"

    def read(self, key: str) -> dict[str, Any] | None:
        """The record of a finished cell; None when there is none, or it is not whole (after a power cut)."""
        try:
            record = json.loads(self.path(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=self.path(key)) from None
        return record if isinstance(record, dict) and record.get("key") == key and "pnl" in record else None

    def write(self, record: dict[str, Any]) -> None:
        """Keep a finished cell: written under another name, then renamed."""
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"
        write_atomically({self.path(record["key"]): text})
