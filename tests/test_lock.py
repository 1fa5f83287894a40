"""The committed lock: everything pyproject.toml asks for, exact, with hashes, and nothing about where it came from."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def read(path) -> list[tuple[Requirement, int]]:
    """Requirements of a lock, each with its number of hashes."""
    entries = path.read_text().replace("\\\n", " ").splitlines()
    assert all("--hash=sha256:" in entry for entry in entries)
    return [(Requirement(entry.split(" --hash")[0]), entry.count("--hash=sha256:")) for entry in entries]


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ["run", "dev"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_it_holds_what_the_project_asks_for(name, python, project, repository):
    wanted = [*project["dependencies"], *(project["optional-dependencies"]["dev"] if name == "dev" else [])]
    here = {"python_version": python, "python_full_version": f"{python}.5", "extra": ""}
    locked = {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r, _ in read(repository / "requirements" / f"{name}.txt")
        if r.marker is None or r.marker.evaluate(here)
    }
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement
    assert "setuptools" in locked  # builds our own wheel


@pytest.mark.parametrize("name", ["run", "dev"])
def test_every_version_is_exact_and_has_hashes(name, repository):
    for requirement, hashes in read(repository / "requirements" / f"{name}.txt"):
        assert hashes >= 1
        assert [s.operator for s in requirement.specifier] == ["=="]
        assert requirement.url is None


def test_what_runs_is_what_is_tested(repository):
    def locked(name: str) -> set[str]:
        return {
            f"{requirement.name}{requirement.specifier}"
            for requirement, _ in read(repository / "requirements" / f"{name}.txt")
        }

    assert locked("run") <= locked("dev")


def test_it_says_nothing_of_where_it_came_from(repository):
    for path in (repository / "requirements").iterdir():
        assert not re.search(r"://|--index|--find-links|--extra-index|file:|# *via|(^|\s)/", path.read_text()), path.name


def test_it_is_of_a_day_that_has_been(repository):
    assert date(2026, 11, 1) <= date.fromisoformat((repository / "requirements" / "as-of").read_text().strip())
    assert date.fromisoformat((repository / "requirements" / "as-of").read_text().strip()) <= datetime.now(UTC).date()
