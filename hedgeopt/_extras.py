"""Packages that only some work needs: whether they are installed, and one clear line where they are not.

The plain install solves, verifies and reports. An extra adds ``parquet`` (pyarrow), ``report`` (matplotlib: charts of the
pages), ``files`` (zstandard and openpyxl: zstd and Excel), ``cluster`` (Dask) or ``all`` of them and ECOS.
"""

from __future__ import annotations

from importlib.util import find_spec

from hedgeopt.errors import InputError

__all__ = ["EXTRAS", "how_to_install", "installed", "require_extra"]

EXTRAS = {
    "pyarrow": "parquet",
    "matplotlib": "report",
    "distributed": "cluster",
    "ecos": "all",
    "zstandard": "files",
    "openpyxl": "files",
}
"""The extra that brings each package, by the name that is imported."""


def installed(package: str) -> bool:
    """Whether an optional package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # half removed, or hidden: no spec
        return False


def how_to_install(package: str) -> str:
    """The command that installs it."""
    return f'pip install "hedgeopt[{EXTRAS[package]}]"'


def require_extra(package: str, purpose: str, *, file: object | None = None, field: str | None = None) -> None:
    """Refuse ``purpose`` ("reading Parquet") where the package is missing.

    Raises
    ------
    InputError
        One line with the purpose, the package and the command that installs it.
    """
    if not installed(package):
        raise InputError(
            f"{purpose} needs {package}, which is not installed", file=file, field=field, fix=how_to_install(package)
        )
