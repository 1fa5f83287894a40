"""BLAS threads are limited inside the block and as before after it."""

from __future__ import annotations

import numpy as np
import pytest

from hedgeopt.tail.threads import blas_threads

threadpoolctl = pytest.importorskip("threadpoolctl")


def counts() -> list[int]:
    return [x["num_threads"] for x in threadpoolctl.threadpool_info() if x["user_api"] == "blas"]


@pytest.mark.parametrize("outer", [1, 2])
def test_threads_are_set_and_given_back(outer: int) -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpoolctl.threadpool_limits(outer, user_api="blas"):
        before = counts()
        with blas_threads(1):
            assert set(counts()) == {1}
        assert counts() == before
        with pytest.raises(ZeroDivisionError), blas_threads(1):
            1 / 0
        assert counts() == before
