"""Start-up and size: import, ``--help``, first and second demo, installed megabytes; ours, an older commit, two rivals.

Each is installed by uv into a new environment of its own, so that nothing else counts. ``STARTUP_COMMIT=cfdcf0e`` names an
older commit of this repository to compare with; a rival that cannot be installed is reported as such. CPU seconds are the
least of several runs, as start-up has no spread but that of the machine; the first demo compiles, and is run once.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.registry import benchmark

ROOT = Path(__file__).resolve().parent.parent
RIVALS = {"skfolio": "skfolio", "cvxportfolio": "cvxportfolio"}  # cvxportfolio is GPL-3: installed to be measured, not used
_REPEATS = 5


@benchmark("startup", "import, --help, first and second demo, installed megabytes; an older commit, skfolio, cvxportfolio")
def run(smoke: bool) -> Iterator[dict[str, Any]]:
    """One record per installation."""
    if smoke:
        yield {"case": "this environment", **_ours(Path(sys.executable), repeats=1, demo=False)}
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        lock = ROOT / "requirements" / "run.txt"
        ours = {
            "plain install": (_copy(home / "now", None), [], lock),
            "with report and parquet": (home / "now", ["report", "parquet"], lock),
        }
        if commit := os.environ.get("STARTUP_COMMIT"):
            old = _copy(home / "old", commit)
            ours[f"commit {commit}"] = (old, [], old / "requirements" / "run.txt")
        for case, (source, extras, locked) in ours.items():
            wanted = f"{source}[{','.join(extras)}]" if extras else str(source)
            python = _environment(home / case.replace(" ", "-"), [wanted, "--constraint", str(_pins(locked, home))])
            yield {"case": case, **(_ours(python) if isinstance(python, Path) else {"outcome": python})}
        for name, package in RIVALS.items():
            python = _environment(home / name, [package, "--constraint", str(_pins(lock, home))])
            if not isinstance(python, Path):  # with versions of its own choice, then
                python = _environment(home / f"{name}-free", [package])
            yield {"case": name, **(_rival(python, package) if isinstance(python, Path) else {"outcome": python})}


def _copy(target: Path, commit: str | None) -> Path:
    """The sources as they are, or of a commit."""
    target.mkdir()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if commit is None:
        for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
            if name and (ROOT / name).exists() and name.split("/")[0] not in ("tests", "notebooks", "docs"):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target / name, follow_symlinks=False)
    else:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "xf", "-", "-C", target], input=archive, check=True)
    return target


def _pins(lock: Path, home: Path) -> Path:
    """The versions of a lock, without hashes, which local folders have none of."""
    pins = home / f"{lock.parent.parent.name}.txt"
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    pins.write_text("".join(f"{line.split(' --hash')[0]}\n" for line in lines), encoding="utf-8")
    return pins


def _environment(home: Path, wanted: Sequence[str]) -> Path | str:
    """Its Python, or why it could not be made."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, home], check=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = subprocess.run([*uv, "pip", "install", "--python", python, *wanted], capture_output=True, text=True)
    return python if done.returncode == 0 else f"cannot be installed: {' '.join(done.stderr.split())[-160:]}"


def _ours(python: Path, repeats: int = _REPEATS, demo: bool = True) -> dict[str, Any]:
    found = _rival(python, "hedgeopt", repeats)
    command = "import sys; from hedgeopt.cli import main; sys.exit(main())"
    found["help_cpu_seconds"] = min(_cpu(python, "-c", command, "--help") for _ in range(repeats))
    if demo:
        with tempfile.TemporaryDirectory() as folder:
            found["first_demo_cpu_seconds"] = _cpu(python, "-c", command, "demo", "--out", folder)
            found["second_demo_cpu_seconds"] = min(_cpu(python, "-c", command, "demo", "--out", folder) for _ in range(2))
    return found


def _rival(python: Path, package: str, repeats: int = _REPEATS) -> dict[str, Any]:
    _cpu(python, "-c", f"import {package}")  # compiles bytecode
    return {
        "megabytes": round(_megabytes(python), 1),
        "import_cpu_seconds": min(_cpu(python, "-c", f"import {package}") for _ in range(repeats)),
    }


def _megabytes(python: Path) -> float:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    return sum(path.stat().st_size for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc") / 1e6


def _cpu(python: Path, *words: str) -> float:
    """CPU seconds of a command and of what it starts."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, *words], cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3)
