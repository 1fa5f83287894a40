"""Keep BLAS to a number of threads during a solve, where threadpoolctl is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def _libraries() -> list[Any]:
    """The loaded BLAS libraries; finding them takes milliseconds: do it once."""
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError:
        return []
    # scipy brings a BLAS of its own, which the masters load later.
    import scipy.linalg  # noqa: F401

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Limit BLAS threads inside the block; without threadpoolctl OMP_NUM_THREADS decides."""
    # threadpoolctl's own limit takes a tenth of a millisecond, of the few a re-solve has.
    changed = [(library, before) for library in _libraries() if (before := library.get_num_threads()) != count]
    for library, _ in changed:
        library.set_num_threads(count)
    try:
        yield
    finally:
        for library, before in changed:
            library.set_num_threads(before)
