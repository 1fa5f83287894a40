"""Output is whole or absent: killed at every single system call, refused by a full disk, written by two at once."""

from __future__ import annotations

import importlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hedgeopt.cli import main
from hedgeopt.cli.backtest import _folders
from hedgeopt.errors import InputError
from hedgeopt.files import writing
from hedgeopt.files.writing import refuse_unwritable, settle_folder, write_atomically

NAMES = ("proposal.json", "proposal.html", "tables/deep/er.csv")
CALLS = ("open", "replace", "fsync", "mkdir", "unlink", "write", "close", "chmod")


def run_of(folder: Path, run: str) -> dict[Path, str]:
    return {folder / name: f"{run} {name}\n" * 50 for name in NAMES}


def seen(folder: Path) -> dict[str, str]:
    """First word of every visible file."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text().split()[0] for name, path in paths.items() if not name.startswith(".")}


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def killed_at(call: int, work) -> bool:
    """Run ``work`` in a child that dies, without any clean-up, at its system call number ``call``; whether it got there."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(real):
            def run(*args, **kwargs):
                nonlocal count
                count += 1
                if count == call:
                    os._exit(9)
                return real(*args, **kwargs)

            return run

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        writing._SWEPT.clear()
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("before", ["nothing", "part of an older run"])
def test_killed_anywhere_the_files_of_two_runs_never_stand_side_by_side(tmp_path, before):
    call, died = 0, True
    halfway = 0
    while died:
        call += 1
        folder = tmp_path / str(call)
        if before != "nothing":
            write_atomically(run_of(folder, "old"))
        if before.startswith("part"):
            (folder / NAMES[1]).unlink()
        was = seen(folder)
        died = killed_at(call, lambda folder=folder: write_atomically(run_of(folder, "new")))
        now = seen(folder)
        assert len(set(now.values())) <= 1, (call, now)
        halfway += now not in (was, dict.fromkeys(NAMES, "new"))
        writing._SWEPT.clear()
        write_atomically({folder / "other.txt": "other"})  # whoever writes here next settles it
        assert seen(folder) in (was | {"other.txt": "other"}, dict.fromkeys(NAMES, "new") | {"other.txt": "other"}), call
        assert hidden(folder) == [], call
    assert call > 20
    assert halfway > 0 or before == "nothing"
    assert seen(folder) == dict.fromkeys(NAMES, "new") | {"other.txt": "other"}


def test_an_error_anywhere_leaves_everything_as_it_was(tmp_path, monkeypatch):
    real = {name: getattr(os, name) for name in ("open", "replace", "fsync", "mkdir")}
    for name, function in real.items():
        fault, failed = 0, True
        while failed:
            fault += 1
            folder = tmp_path / f"{name}{fault}"
            write_atomically({path: text for path, text in run_of(folder, "old").items() if "deep" not in str(path)})
            was, count = seen(folder), 0

            def broken(*args, function=function, at=fault, **kwargs):
                nonlocal count
                count += 1
                if count == at:
                    raise OSError(28, "No space left on device")
                return function(*args, **kwargs)

            with monkeypatch.context() as patched:
                patched.setattr(os, name, broken)
                message = None
                try:
                    write_atomically(run_of(folder, "new"))
                except InputError as error:
                    message = str(error)
            failed = count >= fault
            # an fsync of a folder may fail: some systems have none
            assert (message is None) == (not failed or name in ("fsync", "open")) or "No space left" in str(message)
            assert seen(folder) == (dict.fromkeys(NAMES, "new") if message is None else was)
            assert hidden(folder) == [] or (name == "open" and message is None)  # clean-up itself failed: swept later


def test_the_umask_is_honoured_and_what_is_replaced_keeps_its_permissions(tmp_path):
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        was = os.umask(mask)
        try:
            write_atomically({tmp_path / f"{mask}.txt": "x"})
        finally:
            os.umask(was)
        assert stat.S_IMODE((tmp_path / f"{mask}.txt").stat().st_mode) == mode
    path = tmp_path / "kept.txt"
    path.write_text("x")
    path.chmod(0o640)
    write_atomically({path: "y", tmp_path / "b": "z"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_atomically({tmp_path / "link": "new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "new"


def test_a_link_that_leads_nowhere_is_said(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="out is a link that leads nowhere; choose another folder"):
        write_atomically({tmp_path / "out" / "a.txt": "x"})
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be_written_to_is_said_before_and_leaves_nothing(tmp_path):
    refuse_unwritable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    for wrong in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match=r"cannot be written to: .*; choose another folder"):
            refuse_unwritable(wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", ["solve --book b --market m --policy p", "backtest c", "sweep c"])
def test_long_commands_ask_for_their_folder_first(command, tmp_path, monkeypatch, capsys):
    """An hour's work must not end with a folder that cannot be written."""

    def asked(folder):
        raise InputError("no room", file=folder)

    for name in ("commands", "backtest", "sweep"):
        monkeypatch.setattr(importlib.import_module(f"hedgeopt.cli.{name}"), "refuse_unwritable", asked)
    monkeypatch.setattr("hedgeopt.backtest.sweep.plan.read_plan", lambda path: None)
    assert main([*command.split(), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"hedgeopt: {tmp_path}/out: no room\n"


def test_folders_made_for_a_failed_write_go_again(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_atomically({tmp_path / "a" / "b" / "x": "fine", tmp_path / "a" / "y": "not \ud800 text"})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_atomically({tmp_path / "file" / "x": "y"})


def test_what_a_running_process_stages_is_left_alone(tmp_path):
    for process in (os.getppid(), 99999999):
        (tmp_path / f".hedgeopt-{process}-abcd").mkdir()
        (tmp_path / f".hedgeopt-{process}-abcd" / "0.new").write_text("theirs")
    settle_folder(tmp_path)
    assert hidden(tmp_path) == [f".hedgeopt-{os.getppid()}-abcd"]


def test_two_that_write_at_once_leave_one_run(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hedgeopt.files.writing import write_atomically\n"
        "for k in range(60): write_atomically({Path(sys.argv[1]) / f'{n}.txt': sys.argv[2] for n in range(1)})"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), run]) for run in ("one", "two")]
    assert [process.wait(120) for process in both] == [0, 0]
    assert (tmp_path / "0.txt").read_text() in ("one", "two")
    assert hidden(tmp_path) == []


def test_names_that_differ_in_signs_alone_get_folders_of_their_own():
    assert _folders(["BTC book", "btc-book!", "ETH", "BTC/book", "", "€"]) == [
        "btc-book", "btc-book-2", "eth", "btc-book-3", "unnamed", "unnamed-2",
    ]  # fmt: skip
