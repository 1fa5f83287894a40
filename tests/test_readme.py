"""The README's promises: short, its Python runs, its commands and files exist, its report is the demo's."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from hedgeopt.cli import main
from hedgeopt.constraints.table import CONSTRAINTS
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.terms import TERMS


@pytest.fixture(scope="module")
def text(repository) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def build(repository) -> ModuleType:
    """docs/build.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("docs_build", repository / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Folder of one run of the demo."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert main(["demo", "--out", str(folder)]) == 0
    return folder


def test_it_is_short_and_has_a_picture(text, repository):
    assert len(text.splitlines()) <= 120
    (picture,) = re.findall(r"^!\[[^]]+\]\(([^)]+)\)", text, flags=re.M)
    assert (repository / picture).read_bytes().startswith(b"\x89PNG")
    assert len((repository / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 40


def test_python_examples_run_where_the_demo_ran(text, demo, monkeypatch):
    monkeypatch.chdir(demo.parent)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_the_reports_are_the_demos(build, demo):
    """Trades, limits and verdict agree; figures may differ in the last place between machines, times always do."""
    proposal = json.loads((demo / "proposal.json").read_text())
    lines = build.demo()
    for page in build.REPORTS:
        count, shown = build.printed(page)
        assert build.differs(shown, lines[:count]) == ""
        assert f"{proposal['costs']['transaction']:,.0f} USD to trade" in "\n".join(shown)
    assert {path.name for path in demo.iterdir()} == {
        "market.csv",
        "book.json",
        "policy.toml",
        "proposal.json",
        "proposal.html",
    }


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (["a 1,234.5 −2"], ["a  1,234.6  −2"], True),
        (["a 1,234.5"], ["a 1,334.5"], False),
        (["a −1"], ["a 1"], False),
        (["a binding"], ["a"], False),
        (["seconds read 0.1"], ["seconds read 0.3 · value 2"], True),
        (["a"], ["a", "b"], False),
    ],
)
def test_a_report_that_differs_is_seen(build, old, new, same):
    assert (build.differs(old, new) == "") is same


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


def test_exit_codes_are_told():
    from hedgeopt import errors
    from hedgeopt.cli.app import EXIT_CODES

    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert all(f"{code} " in EXIT_CODES for code in raised - {1})


def test_local_links_lead_somewhere(repository):
    pages = [*repository.glob("*.md"), *(repository / "docs").glob("*.md")]
    made = {repository / "docs" / "api.md"}  # by the site
    for page in (page for page in pages if page not in made):
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", prose):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.parametrize("name", ["cli.md", "policy.md"])
def test_pages_that_follow_from_the_code_are_current(build, repository, name):
    page = repository / "docs" / name
    assert page.read_text(encoding="utf-8") == build.PAGES[page]()


def test_the_page_of_policies_has_every_term_limit_and_field(repository):
    """Read from the tables here, whatever the page's own writer does."""
    page = (repository / "docs" / "policy.md").read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", page, flags=re.M)}
    for table in (TERMS, CONSTRAINTS):
        for kind, item in table.items():
            for field in set(item.model_fields) - {"kind"}:
                assert f"| `{field}` |" in sections[kind], (kind, field)
    for field in Candidates.model_fields:
        assert f"| `{field}` |" in sections["Candidates"]
