"""Standard output and error are ours alone, for every command: whatever libraries print, in any encoding, to any ending.

The commands are taken from the app itself, so that one added later can't be forgotten: it fails here until it has a case.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer

import hedgeopt.example
from hedgeopt._quiet import without_output
from hedgeopt.cli import main
from hedgeopt.cli.app import app
from hedgeopt.cli.streams import output
from hedgeopt.example import example_files
from tests.models.scenarios.drawn_chains import drawn_chains, recorded

POLICY = """
[[minimize]]
term = { kind = "transaction_cost" }
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "BTC" }
lower = -2.0
upper = 2.0
[scenarios]
kind = "parametric"
count = 50
"""
IMPOSSIBLE = '[[subject_to]]\nkind = "limit"\nterm = { kind = "transaction_cost" }\nupper = 1.0\n'
BACKTEST = """
name = "toy"
[replay]
chains = ["chain.parquet"]
synthetic_perpetuals = true
[risk.scenarios]
kind = "parametric"
count = 20
[[books]]
kind = "short_gamma"
collateral = { BTC = 20.0 }
quantity = { BTC = 1.0 }
[[policies]]
kind = "do_nothing"
"""
SWEEP = 'base = "backtest.toml"\n[vary]\n"risk.scenarios.seed" = [1, 2]\n'
REPLY = [
    {
        "instrument_name": "BTC-PERPETUAL",
        "mark_price": 100_010.0,
        "bid_price": 100_009.5,
        "ask_price": 100_010.5,
        "open_interest": 1e8,
        "volume": 900.0,
        "volume_usd": 9e7,
        "funding_8h": 1e-5,
        "creation_timestamp": 1_772_791_200_000,
        "estimated_delivery_price": 100_000.0,
    }
]
# What a library might do inside a command, in a solve, and when Python ends: in C, in Python, in another process.
NOISY = """
import atexit, ctypes, logging, os, subprocess, sys, threading
import typer
c = ctypes.CDLL(None)
def noise():
    os.write(1, b"NOISE by descriptor\\n")
    c.puts(b"NOISE in C")
    subprocess.run(["echo", "NOISE of another process"])
    print("NOISE in Python")
    os.write(2, b"NOISE on stderr\\n")
    c.perror(b"NOISE in C on stderr")
    subprocess.run(["sh", "-c", "echo NOISE of another process on stderr >&2"])
    print("NOISE in Python on stderr", file=sys.stderr)
    logging.getLogger("library").warning("NOISE logged")
    threading.Thread(target=lambda: 1 / 0, name="NOISE").start()
def at_exit():
    os.write(1, b"NOISE at exit\\n")
    os.write(2, b"NOISE at exit on stderr\\n")
    logging.getLogger("library").warning("NOISE logged at exit")
    c.puts(b"NOISE in C at exit")
def loud(function):
    def called(*args, **options):
        noise()
        try:
            return function(*args, **options)
        finally:
            noise()
    return called
def every(command):
    for inner in getattr(command, "commands", {}).values():
        every(inner)
    if command.callback is not None:
        command.callback = loud(command.callback)
    return command
get_command = typer.main.get_command
typer.main.get_command = lambda app: every(get_command(app))
import hedgeopt.example
quick = {**hedgeopt.example.example_files(), "policy.toml": sys.argv.pop(1)}
hedgeopt.example.example_files = lambda: quick  # the demo's 10,000 scenarios are not what is tested
import highspy
highspy.Highs.run = loud(highspy.Highs.run)
atexit.register(at_exit)
from hedgeopt.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, list[str]]:
    """Arguments of every command, without ``--json``."""
    texts = {
        **example_files(),
        "policy.toml": POLICY,
        "impossible.toml": IMPOSSIBLE + POLICY,
        "backtest.toml": BACKTEST,
        "sweep.toml": SWEEP,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    rows = pd.read_csv(tmp_path / "market.csv", parse_dates=["timestamp", "expiry"])
    (tmp_path / "reply.json").write_text(json.dumps(REPLY))
    (tmp_path / "impossible.toml").write_text(IMPOSSIBLE + POLICY)
    (tmp_path / "mine.csv").write_text("instrument,quantity\nBTC-PERPETUAL,-1200000\n")
    chain = rows[rows.strike.notna()]
    later = [chain.assign(timestamp=chain.timestamp + pd.Timedelta(hours=8 * i)) for i in range(3)]
    pd.concat(later).to_parquet(tmp_path / "chain.parquet")
    levels = [f"u,A,{chain.timestamp.iloc[0].isoformat()},{side},{100 + sign * k},{5 * k},coins\n"
              for side, sign in (("bid", -1), ("ask", 1)) for k in range(1, 6)]  # fmt: skip
    (tmp_path / "levels.csv").write_text("venue,instrument,timestamp,side,price,size,unit\n" + "".join(levels))
    book, market, policy = (
        f"--book={tmp_path}/book.json",
        f"--market={tmp_path}/market.csv",
        f"--policy={tmp_path}/policy.toml",
    )
    return {
        "solve": [book, market, policy],
        "verify": [f"{tmp_path}/solved/proposal.json", book, market, policy],
        "report": [f"{tmp_path}/solved/proposal.json", f"--html={tmp_path}/p.html", f"--csv={tmp_path}/tables"],
        "plan": [f"{tmp_path}/solved/proposal.json", book, market],
        "explain": [f"{tmp_path}/solved/proposal.json", book, market, "--why-not=BTC-PERPETUAL"],
        "anatomy": [f"{tmp_path}/solved/proposal.json", book, market],
        "stability": [f"{tmp_path}/solved/proposal.json", book, market, "--resamples=2", "--seeds=1", "--marks=1"],
        "relax": [book, market, f"--policy={tmp_path}/impossible.toml"],
        "frontier": [book, market, policy, "--points=2"],
        "evaluate": [f"--trades={tmp_path}/mine.csv", book, market, policy],
        "compare": [f"{tmp_path}/solved/proposal.json", f"{tmp_path}/solved/proposal.json"],
        "apply": [
            f"{tmp_path}/fills.csv",
            f"--proposal={tmp_path}/solved/proposal.json",
            book,
            market,
            f"--out={tmp_path}/tomorrow.json",
        ],
        "cash": [book, market, "--days=2"],
        "risk": [book, market, policy],
        "margin": [book, market],
        "check": [book, market, policy],
        "import": [f"{tmp_path}/reply.json", f"--out={tmp_path}/out"],
        "scenarios list": [],
        "scenarios fit": [f"{tmp_path}/record.parquet", "--resamples=20", f"--out={tmp_path}/model.toml"],
        "scenarios judge": [f"{tmp_path}/record.parquet", "--hours=24"],
        "scenarios document": [],
        "scenarios describe": [market],
        "scenarios sample": [market, policy, "--rows=2"],
        "schema": ["policy"],
        "doctor": [],
        "demo": [f"--out={tmp_path}/out"],
        "backtest": [f"{tmp_path}/backtest.toml", f"--out={tmp_path}/out"],
        "costs fit": [f"{tmp_path}/levels.csv"],
        "sweep": [f"{tmp_path}/sweep.toml", f"--out={tmp_path}/out", "--workers=1"],
    }


def commands(group: Any = None, words: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{words}{name} ")
        else:
            yield words + name, command


COMMANDS = dict(commands())
PRINTS_JSON = [name for name, command in COMMANDS.items() if any(p.name == "json" for p in command.params)]


def prepare(command: str, cases: dict[str, list[str]]) -> None:
    """What a command needs that only another command makes."""
    if command in ("verify", "report", "plan", "explain", "compare", "stability", "anatomy"):
        assert main(["solve", *cases["solve"], f"--out={Path(cases[command][0]).parent}"]) == 0
    if command == "evaluate":  # the policy's own list, which holds its limits
        list_, folder = Path(cases[command][0].removeprefix("--trades=")), Path(cases["plan"][0]).parent
        assert main(["solve", *cases["solve"], f"--out={folder}"]) == 0
        trades = hedgeopt.read_proposal(folder / "proposal.json").trades
        trades[["account", "instrument", "side", "quantity"]].to_csv(list_, index=False)
    if command in ("scenarios fit", "scenarios judge"):
        recorded(drawn_chains(60, 5)).to_parquet(cases[command][0])
    if command == "apply":
        fills, folder = Path(cases[command][0]), Path(cases[command][0]).parent
        assert main(["solve", *cases["solve"], f"--out={folder}/solved"]) == 0
        proposal = hedgeopt.read_proposal(folder / "solved" / "proposal.json")
        hedgeopt.fills_as_proposed(proposal, hedgeopt.read_market(folder / "market.csv")).to_csv(fills, index=False)


def test_every_command_has_a_case(cases):
    assert set(cases) == set(COMMANDS)


def noisy(tmp_path: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    script = tmp_path / "noisy.py"
    script.write_text(NOISY)
    return subprocess.run([sys.executable, str(script), POLICY, *arguments], capture_output=True, timeout=300, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX tools")
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_a_library_prints_comes_between_our_lines(command, cases, tmp_path):
    prepare(command, cases)
    wanted = ["--json"] if command in PRINTS_JSON else []
    done = noisy(tmp_path, *command.split(), *cases[command], *wanted)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert b"NOISE" not in done.stdout + done.stderr
    assert b"HiGHS" not in done.stdout + done.stderr
    assert all(line.startswith(b"hedgeopt: ") for line in done.stderr.splitlines()), done.stderr
    if wanted or command == "schema":
        assert json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a home that nobody can make")
def test_no_home_costs_no_word(cases, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG", "HEDGEOPT", "NUMBA"))}
    home = {**kept, "HOME": "/proc/nobody", "MPLCONFIGDIR": "/proc/nobody", "HEDGEOPT_PROGRESS": "0"}
    code = "import sys; from hedgeopt.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "solve", *cases["solve"], f"--out={tmp_path}/out"]
    told = subprocess.run(command, capture_output=True, env=home, text=True)
    assert told.stderr == f"hedgeopt: wrote {tmp_path}/out/proposal.json and {tmp_path}/out/proposal.html\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX tools")
def test_infeasible_is_json_with_the_violations_and_3(cases, tmp_path):
    (tmp_path / "policy.toml").write_text(IMPOSSIBLE + POLICY)
    done = noisy(tmp_path, "solve", *cases["solve"], "--json", f"--out={tmp_path}/out")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert told["status"] == "infeasible"
    assert told["violations"]
    for violation in told["violations"].values():
        assert violation["unit"]
        assert violation["value"] > violation["limit"]  # both limits are upper ones at the closest point, or one is
    assert all(name in told["message"] for name in told["violations"])
    assert all(line.startswith(b"hedgeopt: ") for line in done.stderr.splitlines())
    assert 1 <= done.stderr.count(b"\n") <= 3  # what is missed, then what holds it back
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX tools")
def test_with_debug_the_noise_is_on_stderr(cases, tmp_path):
    done = noisy(tmp_path, "--debug", "check", *cases["check"])
    assert b"NOISE" not in done.stdout
    for words in (b"by descriptor", b"in C", b"of another process", b"in Python", b"on stderr", b"logged"):
        assert b"NOISE " + words in done.stderr


@pytest.mark.parametrize("whole", [False, True])
def test_the_library_does_not_print_highs_lines(whole):
    code = f"""
import cvxpy as cp, hedgeopt, numpy as np
x = cp.Variable(2, integer={whole})
problem = cp.Problem(cp.Minimize(cp.cvar(np.eye(2) @ x, 0.5) + cp.sum(x)), [x >= 0.5, x <= 3])
problem.solve(method="tail")
print(problem.status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b"optimal"]


def test_without_output_gives_the_descriptor_back(capfd):
    os.write(1, b"before ")
    assert without_output(lambda: os.write(1, b"unseen")) == 6
    with pytest.raises(ZeroDivisionError):
        without_output(lambda: os.write(1, b"unseen") // 0)
    os.write(1, b"after")
    assert capfd.readouterr().out == "before after"


def test_a_command_called_from_python_leaves_the_streams_as_they_were(cases, tmp_path):
    code = (
        "import os, sys\nfrom hedgeopt.cli import main\nstdout = sys.stdout\n"
        "print('before'); assert main(['schema', 'book']) == 0; assert sys.stdout is stdout\n"
        "print('after', flush=True); os.write(1, b'descriptor')"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert text.startswith("before\n{")
    assert text.endswith("}\nafter\ndescriptor")


# in-process from here: a stream of that encoding in place of the terminal
def printed(arguments: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        code = main(arguments)
        assert sys.stdout.errors == "strict"
    return code, raw.getvalue().decode(encoding)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_encoding_costs_the_answer(command, cases, monkeypatch, capsys):
    quick = {**example_files(), "policy.toml": POLICY}
    monkeypatch.setattr(hedgeopt.example, "example_files", lambda: quick)
    book = Path(cases["solve"][0].removeprefix("--book="))
    book.write_text(json.dumps({**json.loads(book.read_text()), "name": "bücher 本 Ω"}))
    prepare(command, cases)
    code, text = printed([*command.split(), *cases[command]], "ascii", monkeypatch)
    assert code == 0, capsys.readouterr().err
    assert text
    if command == "solve":
        assert "bucher ? ?" in text
        assert "<= " in text or "-2 ... 2" in text


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "latin-1", "utf-8", "utf-16"])
def test_a_report_can_be_read_in_every_encoding(encoding, cases, monkeypatch):
    code, text = printed(["margin", *cases["margin"]], encoding, monkeypatch)
    assert code == 0
    assert "liquidat" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_a_process_in_another_encoding_ends_well(encoding, cases):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    code = "import sys; from hedgeopt.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "risk", *cases["risk"]]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "CVaR 99 %" in done.stdout.decode(encoding)


@pytest.mark.parametrize("text", ["≥ 1 – 2 × σ", "Ångström", "\ud800", "日本", "🙂", "e\u0301"])
def test_what_cannot_be_encoded_is_written_as_near_as_can_be(text, monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="hedgeopt.nearest")
    stream.write(text)
    stream.flush()
    wanted = {"≥ 1 – 2 × σ": ">= 1 - 2 x sigma", "Ångström": "Angstrom", "日本": "??", "e\u0301": "e"}
    assert raw.getvalue().decode() == wanted.get(text, "?")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, "late"])
def test_an_interrupted_command_is_one_line_and_leaves_nothing(command, stop, cases, tmp_path, monkeypatch, capsys):
    """Ctrl-C at the beginning of the body, and at its end, when everything is ready to be written."""
    original: Callable[[Any], Any] = typer.main.get_command

    def every(group: Any) -> Any:
        for inner in getattr(group, "commands", {}).values():
            every(inner)
        if group.callback is not None and not hasattr(group, "commands"):
            group.callback = interrupt
        return group

    def interrupt(**_: Any) -> None:
        if stop == "late":
            output().write("")
        raise KeyboardInterrupt

    monkeypatch.setattr(typer.main, "get_command", lambda app: every(original(app)))
    assert main([*command.split(), *cases[command]]) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hedgeopt: interrupted\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_a_command_that_is_deep_in_c():
    code = (
        "import hashlib, os, signal, sys, threading, typer\n"
        "import hedgeopt.cli.interrupt as interrupt, hedgeopt.cli.commands as commands\n"
        "interrupt._GRACE = 0.2\n"
        "def deep(kind):\n"
        "    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n"
        "commands.schema = deep\n"
        "from hedgeopt.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, "schema", "book"], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"hedgeopt: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_that_a_library_makes_another_error_of_is_ctrl_c():
    """C code that imports a module half does so (numba's): exit code 1, "failed to import"."""
    code = (
        "import os, signal, sys, time, hedgeopt.cli.commands as commands\n"
        "def swallowed(kind):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(5)\n"
        "    except KeyboardInterrupt:\n"
        "        raise ImportError('numba._devicearray failed to import') from None\n"
        "commands.schema = swallowed\n"
        "from hedgeopt.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, "schema", "book"], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"hedgeopt: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_harms_no_file(closed, cases, tmp_path):
    """Descriptor 1 closed: the next file opened would become it, and what is printed would be written there."""
    script = tmp_path / "run.sh"
    script.write_text(f'exec "$@" {closed}\n')
    code = "import sys; from hedgeopt.cli import main; sys.exit(main())"
    before = (tmp_path / "book.json").read_bytes()
    command = ["sh", str(script), sys.executable, "-c", code, "check", *cases["check"]]
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0
    assert done.stderr == b""
    assert (b"together" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))
    assert (tmp_path / "book.json").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_behind_a_stream_is_one_line_and_never_costs_an_answer(cases, tmp_path):
    def run(arguments: str, **streams: Any) -> tuple[int, str]:
        code = "import sys; from hedgeopt.cli import main; sys.exit(main())"
        with open("/dev/full", "w") as full:
            at = {name: full if where == "full" else subprocess.PIPE for name, where in streams.items()}
            done = subprocess.run([sys.executable, "-c", code, *arguments.split()], text=True, timeout=300, **at)
        return done.returncode, done.stderr or ""

    code, said = run("schema policy", stdout="full", stderr="pipe")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("hedgeopt: standard output: cannot be written: No space left on device; make room there")
    assert run("check --book nowhere.json", stdout="pipe", stderr="full")[0] == 2
    solve = " ".join(["solve", *cases["solve"], f"--out={tmp_path}/out"])
    assert run(solve, stdout="pipe", stderr="full")[0] == 0
    assert (tmp_path / "out" / "proposal.html").exists()


def test_no_command_writes_past_the_stream():
    folder = Path(main.__code__.co_filename).parent
    for path in folder.glob("*.py"):
        text = path.read_text()
        if path.name != "streams.py":
            assert "sys.stdout" not in text, f"{path.name}: write to hedgeopt.cli.streams.output()"
            assert "sys.stderr" not in text, f"{path.name}: write to hedgeopt.cli.streams.words(), or call say()"
            assert "print(" not in text.replace("_print(", "").replace(".print(", "") or (
                path.name in ("console.py", "__init__.py")
            ), f"{path.name}: print goes nowhere inside a command"
