"""What is installed is what is in the repository: packages, data files, public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import hedgeopt

FOLDERS = {"hedgeopt": "hedgeopt", "models": "hedgeopt.models", "constraints": "hedgeopt.constraints"}


@pytest.fixture(scope="module")
def project(repository) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> Path:
    """A wheel built from a copy, so that no build folder of the repository can leak into it."""
    import shutil

    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in FOLDERS:
        shutil.copytree(repository / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source / name)
    code = "import sys, setuptools.build_meta as build; print(build.build_wheel(sys.argv[1]))"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, built], cwd=source, check=True, capture_output=True, env=environment
    )
    (found,) = built.glob("*.whl")
    return found


def package_folders(repository: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for top, package in FOLDERS.items():
        for folder, children, files in os.walk(repository / top, followlinks=False):
            children[:] = [name for name in children if name != "__pycache__" and not Path(folder, name).is_symlink()]
            if any(name.endswith(".py") for name in files):
                below = Path(folder).relative_to(repository / top).parts
                found[".".join([package, *below])] = Path(folder)
    return found


def test_every_folder_with_code_is_listed(project, repository):
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(package_folders(repository))


def test_every_data_file_is_listed(project, repository):
    listed = project["tool"]["setuptools"]["package-data"]
    for package, folder in package_folders(repository).items():
        data = {p.name for p in folder.iterdir() if p.is_file() and p.suffix not in (".py", ".pyc", ".nbi", ".nbc")}
        known = {path.name for pattern in listed.get(package, ()) for path in folder.glob(pattern)}
        assert data <= known, package


def test_the_wheel_holds_all_of_it(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package, folder in package_folders(repository).items():
        for path in folder.glob("*.py"):
            assert f"{package.replace('.', '/')}/{path.name}" in names
    assert {
        "hedgeopt/py.typed",
        "hedgeopt/__init__.pyi",
        "hedgeopt/reports/templates/proposal.html",
        "hedgeopt/reports/templates/page.css",
        "hedgeopt/example/policy.toml",
    } <= names
    assert {f"hedgeopt/models/data/{path.name}" for path in (repository / "models" / "data").glob("*.toml")} <= names
    assert not [name for name in names if name.startswith(("models/", "constraints/", "tests/"))]


def test_an_installed_wheel_finds_its_data(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import hedgeopt, sys\n"
        "assert hedgeopt.__file__.startswith(sys.argv[1]), hedgeopt.__file__\n"
        "from importlib.resources import files\n"
        "from hedgeopt.models.data import table\n"
        "from hedgeopt.example import example_files\n"
        "assert table('stress')['event'] and table('deribit')['fees']\n"
        "assert '<html' in (files('hedgeopt.reports') / 'templates' / 'page.html').read_text()\n"
        "assert set(example_files()) == {'market.csv', 'book.json', 'policy.toml'}\n"
        "for name in hedgeopt.__all__: getattr(hedgeopt, name)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site")], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_public_names_are_those_that_load():
    stub = ast.parse(Path(hedgeopt.__file__).with_suffix(".pyi").read_text())
    homes = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert list(hedgeopt.__all__) == sorted(homes)
    for name, home in homes.items():
        if home is None:  # a module that is a public name itself
            assert getattr(hedgeopt, name) is importlib.import_module(f"hedgeopt.{name}")
            continue
        module = importlib.import_module(f"hedgeopt.{home}")
        assert getattr(hedgeopt, name) is getattr(module, name)
        assert name in module.__all__ if hasattr(module, "__all__") else True


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="teapot"):
        _ = hedgeopt.teapot


def test_a_bare_import_of_the_inner_packages_is_refused(repository):
    for name in ("models", "constraints"):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=repository, capture_output=True, text=True)
        assert done.returncode != 0
        assert f"import hedgeopt.{name}" in done.stderr


@pytest.mark.parametrize("first", ["hedgeopt", "hedgeopt.cli", "hedgeopt.cli.app", "hedgeopt.errors"])
def test_import_is_light(first):
    code = (
        f"import {first}, sys\n"
        "print(sorted({'numpy', 'pandas', 'scipy', 'cvxpy', 'numba', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_versions_agree(project):
    assert project["project"]["version"] == hedgeopt.__version__


def test_no_module_hides_a_public_name(repository):
    """Importing hedgeopt.x sets the attribute x of the package: a module called as a public function would replace it."""
    modules = {path.stem for path in (repository / "hedgeopt").iterdir() if path.suffix == ".py" or path.is_dir()}
    things = {name for name in hedgeopt.__all__ if not inspect.ismodule(getattr(hedgeopt, name))}  # presets is the module
    assert not modules & things
