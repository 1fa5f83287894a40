"""A solver that never returns: the command ends by itself, with one line and the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here: the solvers' own limits must do")

STUCK = """
import ctypes, os, sys
import hedgeopt.cli.supervisor as supervisor
import hedgeopt.program.certified as solve
from hedgeopt.cli import main
from hedgeopt.cli.streams import words
supervisor.MARGIN, supervisor.GRACE = float(sys.argv[2]), 0.5
library = getattr(ctypes, sys.argv[1])(None)
def stuck(*args, **more):
    lock = ctypes.create_string_buffer(256)
    library.pthread_mutex_lock(lock)
    print("stuck", os.getpid(), file=words(), flush=True)
    while True:  # a second time it waits for ever, whatever signals come; PyDLL keeps the interpreter's lock
        library.pthread_mutex_lock(lock)
solve._run = stuck
sys.argv = ["hedgeopt", *sys.argv[3:]]
sys.exit(main())
"""


def inputs(folder: Path) -> list[str]:
    from hedgeopt.example import example_files

    for name, text in example_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    policy = folder / "policy.toml"
    policy.write_text("time_limit_seconds = 0.5\n" + policy.read_text(encoding="utf-8"), encoding="utf-8")
    files = (("--book", "book.json"), ("--market", "market.csv"), ("--policy", "policy.toml"), ("--out", "out"))
    few = ["--scenarios", "50"]  # the limit counts from the reading of the policy on: pricing must end well before it
    return ["solve", *(word for option, name in files for word in (option, str(folder / name))), *few]


def begin(library: str, margin: float, folder: Path) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", STUCK, library, str(margin), *inputs(folder), "--json"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    words = running.stderr.readline().split()
    assert words[:1] == ["stuck"], words + running.stderr.readlines()
    return running, int(words[1])


def gone(process: int) -> bool:
    for _ in range(6_000):
        try:
            os.kill(process, 0)
            with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("library", ["PyDLL", "CDLL"])
def test_a_solver_that_never_returns_is_ended(library: str, tmp_path: Path) -> None:
    running, worker = begin(library, 3.0, tmp_path)
    out, errors = running.communicate(timeout=300)
    assert running.returncode == 4
    assert out == ""
    assert len(errors.splitlines()) == 1
    assert errors.startswith("hedgeopt: solving did not end within 3.5 s")
    assert not (tmp_path / "out").exists()
    assert gone(worker)


@pytest.mark.parametrize("library", ["PyDLL", "CDLL"])
def test_ctrl_c_ends_it_too(library: str, tmp_path: Path) -> None:
    running, worker = begin(library, 600.0, tmp_path)
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=300)
    assert (running.returncode, out, errors) == (130, "", "hedgeopt: interrupted\n")
    assert gone(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_work_ends_with_the_command(number: int, tmp_path: Path) -> None:
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux tells a process of its parent's end")
    running, worker = begin("PyDLL", 600.0, tmp_path)
    running.send_signal(number)
    running.communicate(timeout=300)
    assert running.returncode == -number
    assert gone(worker)


def test_exit_codes_and_output_pass_through(tmp_path: Path) -> None:
    run = [sys.executable, "-c", "import sys; from hedgeopt.cli import main; sys.exit(main())"]
    words = inputs(tmp_path)
    missing = subprocess.run(
        [*run, *words[:2], str(tmp_path / "none.json"), *words[3:]], capture_output=True, text=True, timeout=120
    )
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1
