"""Compiled functions where nothing can be written: no place for numba's cache is no reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from hedgeopt.models.compiled import compiled


def test_no_place_for_a_cache_compiles_in_memory(monkeypatch):
    import numba
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(lambda x: x)
    assert compiled(error_model="numpy")(lambda x: x + 1.0)(2.0) == 3.0


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    import numba

    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(error_model="numpy")(lambda x: x)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs root on Linux",
)
def test_a_read_only_installation_without_a_home(repository, tmp_path):
    """The package's folder mounted read-only with its cache, where it has one, hidden, and a home that cannot be made."""
    script = f"""
    set -e
    mount --bind {repository} {repository} && mount -o remount,ro,bind {repository}
    cache={repository}/models/surface/__pycache__
    if [ -d $cache ]; then mount -t tmpfs -o ro tmpfs $cache; fi
    exec env -u NUMBA_CACHE_DIR HOME=/proc/nohome PYTHONDONTWRITEBYTECODE=1 {sys.executable} -c '
from hedgeopt.models.surface._kernels import piece_value
import numpy as np
assert abs(piece_value(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 0.5) - 3.25) < 1e-15'
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("no mounts here")
    assert done.returncode == 0, done.stderr
