"""``method="tail"`` is there whichever of cvxpy and hedgeopt is imported first, and nothing is imported too early."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap

import pytest

from hedgeopt._first_import import when_imported


def fresh(code: str) -> str:
    """What ``code`` prints in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SOLVE = """
x = cp.Variable(2)
problem = cp.Problem(cp.Minimize(cp.cvar(np.array([[1.0, 2.0], [3.0, -1.0]]) @ x, 0.5)), [cp.sum(x) == 1, x >= 0])
problem.solve(method="tail")
print(problem.status)
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import cvxpy as cp; import hedgeopt",
        "import hedgeopt; import cvxpy as cp",
        "import hedgeopt; from cvxpy import settings; import cvxpy as cp",
        "import hedgeopt.tail; import cvxpy as cp",
        "import hedgeopt; import hedgeopt.program.program; import cvxpy as cp",
    ],
)
def test_tail_is_registered_in_any_order(imports: str) -> None:
    assert fresh(f"{imports}\nimport numpy as np\n{SOLVE}") == "optimal"


def test_hedgeopt_alone_imports_neither_cvxpy_nor_the_tail_solver() -> None:
    assert fresh("import sys, hedgeopt; print([m for m in ('cvxpy', 'numpy', 'hedgeopt.tail') if m in sys.modules])") == "[]"


def test_a_look_for_the_module_is_no_import() -> None:
    code = """
    import importlib.util, sys, hedgeopt
    assert importlib.util.find_spec("cvxpy") is not None
    assert "hedgeopt.tail" not in sys.modules
    import cvxpy
    print("hedgeopt.tail" in sys.modules)
    """
    assert fresh(code) == "True"


def test_acts_once_after_the_module_has_run(tmp_path, monkeypatch) -> None:
    (tmp_path / "a_late_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[int] = []
    watching = len(sys.meta_path)
    when_imported("a_late_module", lambda: seen.append(sys.modules["a_late_module"].value))
    assert seen == []
    import a_late_module

    assert seen == [1]
    assert len(sys.meta_path) == watching
    importlib.reload(a_late_module)
    assert seen == [1]
    when_imported("a_late_module", lambda: seen.append(2))
    assert seen == [1, 2]
    monkeypatch.delitem(sys.modules, "a_late_module")


def test_a_module_that_does_not_exist_stays_an_import_error(monkeypatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    when_imported("a_module_nobody_wrote", lambda: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("a_module_nobody_wrote")
