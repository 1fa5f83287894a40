"""The content hash under which a cell's result is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hedgeopt.models.data import own_tables

__all__ = ["cell_files", "cell_key", "source_digest"]

_RECORD = 3  # raise it when what a cell records changes


def cell_key(config: dict[str, Any], folder: Path, runner: str = "") -> str:
    """Hex digest of a configuration, the contents of every file it names, tables of the user's own, hedgeopt's
    source and what runs it.

    A file or folder named by a string anywhere in the configuration counts with its contents and not with its place, so
    that a sweep resumes after its folder has moved, and is computed anew where an input has changed.
    """
    named = {text: _digest(folder / text) for text in _strings(config) if _is_named(folder, text)}
    content: dict[str, Any] = {"config": config, "files": named, "source": source_digest(), "runner": runner}
    content["record"] = _RECORD
    own = {name: _module_digest(name) for name in sorted(set(_modules(config)))}
    if own:
        content["modules"] = own
    tables = {name: _digest(path) for name, path in own_tables().items()}
    if tables:  # venues of the user's own, which no configuration names as files
        content["tables"] = tables
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _modules(value: Any) -> Iterator[str]:
    """Modules of policies of the user's own."""
    if isinstance(value, dict):
        if value.get("kind") == "python" and isinstance(value.get("object"), str):
            yield value["object"].partition(":")[0]
        for item in value.values():
            yield from _modules(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _modules(item)


def _module_digest(name: str) -> str:
    """Digest of a module's source; of its name where it has none."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    origin = None if spec is None else spec.origin
    return _digest(Path(origin)) if origin and Path(origin).is_file() else name


def cell_files(config: Any, folder: Path) -> Any:
    """The configuration with the files and folders it names made absolute, so that any process finds them."""
    if isinstance(config, dict):
        return {name: cell_files(value, folder) for name, value in config.items()}
    if isinstance(config, list):
        return [cell_files(value, folder) for value in config]
    if isinstance(config, str) and _is_named(folder, config):
        return str((folder / config).resolve())
    return config


@cache
def source_digest() -> str:
    """Digest of every Python and TOML file of the installed package."""
    digest = hashlib.sha256()
    for package in ("hedgeopt", "hedgeopt.models", "hedgeopt.constraints"):
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(f"{package}/{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _is_named(folder: Path, text: str) -> bool:
    """Whether text names a file (it has an ending) or a folder (it has a slash); plain words never do."""
    try:
        return ("." in text and (folder / text).is_file()) or ("/" in text and (folder / text).is_dir())
    except (OSError, ValueError):
        return False


def _digest(path: Path) -> str:
    if path.is_file():
        status = path.stat()
        return _file_digest(path, (status.st_size, status.st_mtime_ns))
    inside = {str(p.relative_to(path)): _digest(p) for p in sorted(path.rglob("*")) if p.is_file()}
    return hashlib.sha256(json.dumps(inside).encode()).hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(path: Path, stamp: tuple[int, int]) -> str:
    """Digest of a file's contents, computed again when its size or time of change has moved."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a configuration")
