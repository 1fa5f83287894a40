"""Keep BLAS to a number of threads during a solve, where threadpoolctl is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def _controller() -> Any:
    """Finding the loaded BLAS libraries takes milliseconds: do it once."""
    try:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    except ImportError:
        return None
    return ThreadpoolController()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Limit BLAS threads inside the block; without threadpoolctl OMP_NUM_THREADS decides."""
    controller = _controller()
    if controller is None:
        yield
        return
    with controller.limit(limits=count, user_api="blas"):
        yield
