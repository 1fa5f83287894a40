"""The doctor: what it calls bad, and that a healthy installation is called so."""

from __future__ import annotations

import importlib
import json

import pytest

from hedgeopt.cli import health as doctor
from hedgeopt.cli import main


@pytest.fixture
def versions(monkeypatch):
    """Pretend that distributions have other versions than they have."""
    pretended: dict[str, str | None] = {}
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: pretended.get(name, real(name)))
    monkeypatch.setattr(doctor, "_answers", list)
    return pretended


def bad(findings):
    return [finding.about for finding in findings if finding.bad]


def test_this_installation_is_fit_for_use(capsys):
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"]
    assert told["packages"]["highspy"]
    assert told["packages"]["hedgeopt"]


@pytest.mark.parametrize(("name", "version"), [("numpy", "1.26.4"), ("highspy", "1.9.0"), ("cvxpy", None)])
def test_a_version_out_of_bounds_is_bad_and_exit_1(name, version, versions, capsys):
    versions[name] = version
    assert main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert f"BAD: {name}" in text
    assert text.endswith("not fit for use\n")


def test_a_package_that_cannot_be_imported_is_bad(versions, monkeypatch):
    real = importlib.import_module

    def broken(name, package=None):
        if name == "numba":
            raise ImportError("Numba needs NumPy 2.4 or less.\nGot NumPy 2.5.")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    found = doctor.diagnose("utf-8")
    assert bad(found.findings) == ["numba"]
    assert "NumPy 2.5" in str(found.findings)


def test_a_note_is_not_bad(versions):
    versions["highspy"] = "1.16.0"
    found = doctor.diagnose("cp437")
    assert found.healthy
    assert {"highspy 1.16.0", "stdout"} <= {finding.about for finding in found.findings}


def test_a_solver_that_answers_wrongly_is_bad(monkeypatch):
    import cvxpy as cp

    real = cp.Problem.solve

    def solve(self, *given, **options):
        return 0.4 if options.get("solver") == cp.CLARABEL else real(self, *given, **options)

    monkeypatch.setattr(cp.Problem, "solve", solve)
    assert bad(doctor._answers()) == ["Clarabel"]
    monkeypatch.setattr(cp.Problem, "solve", lambda *_, **__: 1 / 0)
    assert bad(doctor._answers()) == ["HiGHS", "Clarabel", "the tail solver"]
