"""The page on Python runs as it is written, and the names that it lists are public."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hedgeopt as ho
import hedgeopt.backtest as bt

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(BLOCK.findall(page)), encoding="utf-8")
    done = subprocess.run([sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "options worth: your own term; not proven independently" in done.stdout


def test_the_names_listed_are_public(page: str) -> None:
    listed = set(re.findall(r"`([\w.]+)`", page[page.index("## Public names") :]))
    assert listed - set(ho.__all__) - set(bt.__all__) == {"hedgeopt.backtest", "hedgeopt.tail"}


def test_every_public_name_is_listed(page: str, repository: Path) -> None:
    table = page[page.index("## Public names") :]
    listed = set(re.findall(r"`([\w.]+)`", table))
    typed = (repository / "hedgeopt" / "__init__.pyi").read_text(encoding="utf-8")
    public = set(re.findall(r"import \w+ as (\w+)$", typed, re.MULTILINE))
    assert public == set(ho.__all__)
    assert public - listed == set()
    assert set(bt.__all__) - listed == set()
