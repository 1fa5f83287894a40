"""A plain install: an empty environment with the wheel and what it requires, extras left out, without any network."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

COPIED = ("hedgeopt", "models", "constraints", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def windows_checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources in which the two symlinks are text files, as git writes them on Windows."""
    source = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        path = repository / name
        if path.is_dir():
            shutil.copytree(path, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    links = [path for path in (source / "hedgeopt").iterdir() if path.is_symlink()]
    assert {path.name for path in links} <= {"models", "constraints"}
    for name in ("models", "constraints"):
        path = source / "hedgeopt" / name
        path.unlink()
        path.write_text(f"../{name}", encoding="utf-8")
    return source


@pytest.fixture(scope="session")
def plain_wheel(windows_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of that copy."""
    built = tmp_path_factory.mktemp("wheel")
    code = "import sys, setuptools.build_meta as build; print(build.build_wheel(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, built],
        cwd=windows_checkout,
        check=True,
        capture_output=True,
        env=clean(),
    )
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def plain_python(plain_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds the wheel, its requirements and theirs, and nothing else."""
    home = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    with zipfile.ZipFile(plain_wheel) as wheel:
        wheel.extractall(site)
    (own,) = (found for found in metadata.distributions(path=[str(site)]) if found.metadata["Name"] == "hedgeopt")
    for name in required(own):
        link(metadata.distribution(name), site)
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture(scope="session")
def plain_demo(plain_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of ``python -m hedgeopt demo``, run there in an empty folder."""
    folder = tmp_path_factory.mktemp("run")
    done = run(plain_python, folder, "-m", "hedgeopt", "demo")
    assert done.returncode == 0, done.stderr
    assert "Certified" in done.stdout
    assert 'the page has no charts: pip install "hedgeopt[report]"' in done.stderr
    return folder / "out"


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of that Python in a folder."""
    environment = {**clean(), "PYTHONUTF8": "1"}
    return subprocess.run([python, *words], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")


def required(first: metadata.Distribution) -> set[str]:
    """What a distribution needs on this Python, through all of its requirements, without extras that nobody asks for."""
    found: set[str] = set()
    left = [(first, frozenset[str]())]
    while left:
        distribution, extras = left.pop()
        for requirement in map(Requirement, distribution.requires or ()):
            wanted = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            name = canonicalize_name(requirement.name)
            if wanted and name not in found:
                found.add(name)
                left.append((metadata.distribution(name), frozenset(requirement.extras)))
    return found


def link(distribution: metadata.Distribution, site: Path) -> None:
    """The files of an installed distribution, at their places in another environment."""
    for file in distribution.files or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            try:
                os.link(file.locate(), target)
            except OSError:  # another file system
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(file.locate(), target)


def clean() -> dict[str, str]:
    """This environment without what would let the repository's own packages be found."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HEDGEOPT_"))}
