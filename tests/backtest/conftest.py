"""The toy markets of toys.py as a fixture: test modules are imported one by one and do not see each other."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_PATH = Path(__file__).with_name("toys.py")
_SPEC = importlib.util.spec_from_file_location("backtest_toys", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_TOYS = importlib.util.module_from_spec(_SPEC)
import sys  # noqa: E402

sys.modules["backtest_toys"] = _TOYS
_SPEC.loader.exec_module(_TOYS)


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """Module of toy markets, books and policies."""
    return _TOYS
