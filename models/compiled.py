"""Functions compiled by numba, kept on disk where that can be written and in memory elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Any], Any]:
    """``numba.njit(cache=True, **options)``, without the cache where there is no place for it.

    The cache is beside the source, else in the user's cache folder. On a read-only installation without a home numba
    refuses to define the function; compiling anew in every process (some ten seconds) is slower, and right. Set
    ``NUMBA_CACHE_DIR`` to a folder that can be written to spare it.
    """

    def define(function: Any) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**options)(function)

    return define
