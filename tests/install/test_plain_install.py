"""The wheel in an empty environment, built where the symlinks are text files: everything works or names its extra."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hedgeopt._extras import EXTRAS

from .conftest import run

pytestmark = pytest.mark.slow
NEEDS = 'needs {}, which is not installed; pip install "hedgeopt[{}]"'
FINE = (
    "help", "version", "doctor", "check", "risk", "margin", "solve", "verify", "report", "scenarios list",
    "scenarios describe", "scenarios sample", "schema book", "schema market", "schema policy",
)  # fmt: skip
MISSING = {
    "parquet": "pyarrow", "ecos": "ecos", "ecos by option": "ecos", "backtest": "pyarrow", "backtest pages": "matplotlib",
    "sweep": "matplotlib",
}  # fmt: skip
CALLS = {"parquet": "pyarrow", "scenarios from parquet": "pyarrow", "scenarios from arrow": "pyarrow", "history": "pyarrow"}


@pytest.fixture(scope="module")
def walked(plain_python: Path, plain_demo: Path) -> dict[str, Any]:
    done = run(plain_python, plain_demo.parent, str(Path(__file__).with_name("walk.py")), str(plain_demo))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_extra_is_installed(plain_python: Path, tmp_path: Path) -> None:
    code = f"from importlib.util import find_spec; print([name for name in {list(EXTRAS)} if find_spec(name)])"
    assert run(plain_python, tmp_path, "-c", code).stdout.strip() == "[]"


def test_the_demo_is_that_of_the_readme(plain_demo: Path) -> None:
    proposal = json.loads((plain_demo / "proposal.json").read_text(encoding="utf-8"))
    assert proposal["certificate"]["objective"] == pytest.approx(12_279.230491, rel=1e-9)
    assert proposal["certificate"]["ideal_objective"] == pytest.approx(12_278.783925, rel=1e-9)
    page = (plain_demo / "proposal.html").read_text(encoding="utf-8")
    assert "Charts need matplotlib, which is not installed" in page
    assert "<figure" not in page


def test_commands_work_or_name_their_extra(walked: dict[str, Any]) -> None:
    commands = walked["commands"]
    assert set(commands) == {*FINE, *MISSING}
    for name, (code, out, err) in commands.items():
        assert "Traceback" not in out + err, (name, err)
        if name in FINE:
            assert code == 0, (name, err)
            assert out or name == "report"
        else:
            package = MISSING[name]
            assert (code, out, err.count("\n")) == (2, "", 1), (name, err)
            assert NEEDS.format(package, EXTRAS[package]) in err


def test_public_names_work_or_name_their_extra(walked: dict[str, Any]) -> None:
    for name, said in walked["calls"].items():
        package = CALLS.get(name, "matplotlib" if name.startswith("plot ") else "")
        if name == "cluster":
            assert said.startswith("InputError")
            assert "hedgeopt[cluster]" in said
        elif package:
            assert said.startswith("InputError"), (name, said)
            assert NEEDS.format(package, EXTRAS[package]) in said
        else:
            assert said == "ok", (name, said)


def test_the_wheel_of_a_windows_checkout_is_whole(plain_wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(plain_wheel).namelist())
    for folder, package in (
        ("hedgeopt", "hedgeopt"),
        ("models", "hedgeopt/models"),
        ("constraints", "hedgeopt/constraints"),
    ):
        for path in (repository / folder).rglob("*"):
            if path.suffix in (".py", ".toml", ".html", ".css", ".pyi") and not path.is_symlink():
                assert f"{package}/{path.relative_to(repository / folder).as_posix()}" in names
    assert not {"hedgeopt/models", "hedgeopt/constraints"} & names


def test_the_folder_of_a_windows_checkout_runs(windows_checkout: Path) -> None:
    """From that folder its own ``hedgeopt`` comes first, with text files for rooms; ``python -m hedgeopt`` works too."""
    code = "import hedgeopt.models.data as d, hedgeopt.constraints.limit as c; print(d.__file__, c.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=windows_checkout, capture_output=True, text=True, check=True
    ).stdout
    assert all(str(windows_checkout) in place for place in told.split())
    told = subprocess.run(
        [sys.executable, "-m", "hedgeopt", "schema", "policy"],
        cwd=windows_checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "subject_to" in told
