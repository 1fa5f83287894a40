"""The README's promises: its Python runs, its commands and files exist, its report is the demo's, its codes are right."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shlex
from pathlib import Path

import pytest

from hedgeopt.cli import main


@pytest.fixture(scope="module")
def text(repository) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Folder of one run of the demo."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert main(["demo", "--out", str(folder)]) == 0
    return folder


def test_python_examples_run_in_order(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_the_report_is_the_demos(text, demo):
    """Trades, limits and verdict agree; figures may differ in the last place between machines, times always do."""
    proposal = json.loads((demo / "proposal.json").read_text())
    report = re.search(r"```text\n(╭.*?)```", text, flags=re.S)
    assert report is not None
    for trade in proposal["trades"]:
        assert trade["instrument"] in report[1]
    for limit in proposal["limits"]:
        assert limit["limit"].removesuffix(" lower").removesuffix(" upper") in report[1]
    assert f"{proposal['costs']['transaction']:,.0f} USD to trade" in report[1]
    assert "Certified: every limit holds" in report[1]
    assert {path.name for path in demo.iterdir()} == {
        "market.csv",
        "book.json",
        "policy.toml",
        "proposal.json",
        "proposal.html",
    }


def test_the_demo_is_worth_looking_at(demo):
    limits = json.loads((demo / "proposal.json").read_text())["limits"]
    breached = {row["limit"] for row in limits if (row["before"] - row["bound"]) * (1 if row["sense"] == "<=" else -1) > 0}
    assert len(breached) >= 4
    assert sum(row["binding"] for row in limits) >= 2


def test_commands_in_the_readme_exist(text, capsys):
    lines = re.findall(r"^    (hedgeopt [^#\n]+)", text, flags=re.M)
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line)[1:]
        names = list(itertools.takewhile(lambda word: not word.startswith("--"), words))
        assert main([*(names[:2] if names[0] == "scenarios" else names[:1]), "--help"]) == 0
        shown = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in shown


def test_make_targets_in_the_readme_exist(text, repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)`?", text)) - {"and"}:
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_exit_codes_agree_with_the_tool(text):
    from hedgeopt import errors
    from hedgeopt.cli.app import EXIT_CODES

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.M)}
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert raised - {1} <= listed
    assert all(f"{code} " in EXIT_CODES for code in listed)


def test_local_links_lead_somewhere(text, repository):
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (repository / target).exists(), target


def test_command_reference_is_current(repository):
    spec = importlib.util.spec_from_file_location("docs_build", repository / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert Path(repository / "docs" / "cli.md").read_text(encoding="utf-8") == build.reference()
