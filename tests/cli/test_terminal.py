"""The terminal: narrow ones, piped ones, other encodings; logging, progress, completion and time limits."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.cli.console import progress
from hedgeopt.cli.supervisor import _late
from hedgeopt.example import example_files
from hedgeopt.program import solve as solving
from hedgeopt.reports.fitted import FittedTable
from hedgeopt.reports.near import near

STORED = Path(__file__).parents[1] / "program" / "stored" / "2"
RUN = [sys.executable, "-c", "import sys; from hedgeopt.cli import main; sys.exit(main())"]
POLICY = """
[[minimize]]
term = { kind = "transaction_cost" }
[scenarios]
kind = "parametric"
count = 50
"""


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    for name, text in {**example_files(), "policy.toml": POLICY}.items():
        (tmp_path / name).write_text(text)
    return [f"--book={tmp_path}/book.json", f"--market={tmp_path}/market.csv"]


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, *arguments: str) -> str:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 70, 80, 160])
@pytest.mark.parametrize("which", ["example", "network", "loan"])
def test_names_and_quantities_are_whole_at_every_width(which, columns, capsys, monkeypatch):
    text = printed(capsys, monkeypatch, str(columns), "report", str(STORED / f"{which}.json"))
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= columns
    proposal = ho.read_proposal(STORED / f"{which}.json")
    words = {line.strip(): line for line in lines}
    assert words
    for row in proposal.trades.to_dict(orient="records"):
        assert any(row["instrument"] in line and row["side"] in line for line in lines), row["instrument"]
    limits = text[text.index("Limits (") :]
    for name in proposal.limits["limit"]:
        assert name.removesuffix(" lower").removesuffix(" upper") in limits
    assert "…" not in re.sub(r"\d … ", "", text)  # bands alone
    if columns == 160:
        assert "not shown" not in text


@pytest.mark.parametrize("command", ["risk", "margin", "scenarios list", "scenarios describe"])
@pytest.mark.parametrize("columns", [60, 80])
def test_other_commands_keep_to_the_width(command, columns, inputs, capsys, monkeypatch):
    arguments = [] if command == "scenarios list" else inputs[1:] if command == "scenarios describe" else inputs
    text = printed(capsys, monkeypatch, str(columns), *command.split(), *arguments)
    assert max(map(cell_len, text.splitlines())) <= columns
    assert "…" not in text
    if command == "risk":
        assert "BTC-26JUN26-130000-P" in text


@pytest.mark.parametrize("columns", ["", "abc", "0", "-5", "7", "99999999", "²"])
def test_a_width_that_is_none_is_a_hundred(columns, capsys, monkeypatch):
    text = printed(capsys, monkeypatch, columns, "report", str(STORED / "example.json"))
    assert max(map(cell_len, text.splitlines())) == 100


def test_long_names_fold_and_columns_go_in_their_order(capsys):
    name = "ETH-USDC-31DEC2027-123456.789-CALL-INVERSE-SETTLED-ON-CHAIN-"
    table = FittedTable("title", ("side", "left"), ("cost", "right"), ("instrument", "left"), drop=("cost",))
    table.add_row("buy", "123,456", name)
    for width, cost in ((90, True), (76, False), (40, False), (24, False)):
        Console(width=width).print(table)
        lines = capsys.readouterr().out.splitlines()
        body = [line for line in lines[4:] if line.strip() and "not shown" not in line]
        assert "".join(line[6:].strip() for line in body).replace("123,456", "").strip() == name
        assert any("123,456" in line for line in body) == cost
        assert any("not shown" in line for line in lines) != cost


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "utf-8"])
def test_a_process_in_another_encoding_prints_aligned_tables(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "110"}
    command = [*RUN, "report", str(STORED / "example.json")]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding).replace("\r\n", "\n")
    assert "?" not in text
    trades = text[text.index("Trades (") : text.index("Costs by trade")].splitlines()
    assert len({len(line) for line in trades[1:] if line.strip()}) == 1  # head, rule and rows
    limits = text[text.index("Limits (") : text.index("Margin by")].splitlines()
    assert len({len(line) for line in limits[1:] if line.strip()}) == 1
    assert ("≥ −0.0006" in text) == (encoding == "utf-8")
    assert "-0.0006" in text.replace("−", "-")


def test_near_characters_replace_only_what_is_missing():
    assert near("−1 ≤ x … Å", "ascii") == "-1 <= x ... A"
    assert near("−1 ≤ x … Å", "cp437") == "-1 ≤ x ... Å"
    assert near("−1 ≤ x … Å", "cp1252") == "-1 <= x … Å"
    assert near("−1 ≤ x", "utf-8") == "−1 ≤ x"
    assert near("−1 ≤ x", "no such encoding") == "-1 <= x"


def test_verbose_logs_every_stage_and_leaves_the_loggers_as_they_were(inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("HEDGEOPT_LOG", raising=False)
    arguments = ["solve", *inputs, f"--policy={tmp_path}/policy.toml"]
    assert main([*arguments, "--json"]) == 0
    quiet = capsys.readouterr()
    assert quiet.err == ""
    assert main([*arguments, "--json", "--verbose"]) == 0  # after the command, as people type it
    told = capsys.readouterr()
    assert json.loads(told.out)["trades"] == json.loads(quiet.out)["trades"]
    lines = told.err.splitlines()
    assert all(re.match(r"hedgeopt: \d\d:\d\d:\d\d\.\d{3} info ", line) for line in lines)
    for words in (
        "reading the files",
        "solving",
        "objective",
        "solver:",
        "CPython" if "PyPy" not in sys.version else "PyPy",
    ):
        assert words in told.err
    assert not logging.getLogger("hedgeopt").handlers
    assert logging.getLogger("hedgeopt").propagate
    monkeypatch.setenv("HEDGEOPT_LOG", "debug")
    assert main([*arguments, "--json"]) == 0
    assert re.search(r"debug value took [\d.]+ s", capsys.readouterr().err)
    monkeypatch.setenv("HEDGEOPT_LOG", "loud")
    assert main([*arguments, "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "HEDGEOPT_LOG" in said.err
    assert "loud" in said.err
    assert "debug, info, warning, error" in said.err


def told():
    """Threads that tell the progress."""
    return [one for one in threading.enumerate() if one.name == "progress"]


def test_long_work_tells_where_it_is_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("HEDGEOPT_PROGRESS", "0.05")
    said, begun = "", time.monotonic()
    with progress() as stage:
        stage("solve")
        while said.count("\n") < 3 and time.monotonic() < begun + 300:
            time.sleep(0.01)
            said += capsys.readouterr().err
    assert told() == []  # it ends with the work
    lines = (said + capsys.readouterr().err).splitlines()
    assert 3 <= len(lines) <= (time.monotonic() - begun) / 0.05
    assert all(re.fullmatch(r"hedgeopt: solving \(\d+ s\)", line) for line in lines)
    for value in ("0", "-1", "soon", "nan", "inf"):
        monkeypatch.setenv("HEDGEOPT_PROGRESS", value)
        with progress():
            assert told() == []
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", ["0", "-3", "nan", "inf"])
@pytest.mark.parametrize("command", ["solve", "risk", "margin"])
def test_a_time_limit_that_is_none_is_one_line(command, value, inputs, tmp_path, capsys):
    policy = [f"--policy={tmp_path}/policy.toml"] if command == "solve" else []
    assert main([command, *inputs, *policy, f"--time-limit={value}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--time-limit" in said
    assert "seconds above 0" in said


def test_the_time_limit_is_the_policys(inputs, tmp_path, monkeypatch, capsys):
    heard = []

    def refuse(book, market, policy, **_):
        heard.append(policy.time_limit_seconds)
        raise ho.InputError("enough")

    monkeypatch.setattr(solving, "propose", refuse)
    assert main(["solve", *inputs, f"--policy={tmp_path}/policy.toml", "--time-limit=12.5"]) == 2
    assert heard == [12.5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes")
@pytest.mark.parametrize("command", ["risk", "margin"])
def test_pricing_that_never_returns_is_ended_from_outside(command, inputs):
    module = {"risk": "hedgeopt.exposures.expose.expose", "margin": "hedgeopt.measures.margin_report.margin_report"}[command]
    code = (
        "import sys, time, importlib\n"
        f"where, _, name = {module!r}.rpartition('.')\n"
        "setattr(importlib.import_module(where), name, lambda *a, **k: time.sleep(600))\n"
        "from hedgeopt.cli import main\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, *inputs, "--time-limit=0.5"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"hedgeopt: {_late(0.5, False)}\n"  # at the limit itself: there is no search to end first
    assert "within 0.5 s" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes")
def test_a_solve_that_never_gets_to_its_search_is_ended_too(inputs, tmp_path):
    code = (
        "import sys, time\nimport hedgeopt.cli.supervisor as supervisor\nsupervisor.MARGIN = 0.3\n"
        "import hedgeopt.cli.commands as commands\ncommands.read_holdings = lambda *a, **k: time.sleep(600)\n"
        "from hedgeopt.cli import main\nsys.exit(main())"
    )
    command = [sys.executable, "-c", code, "solve", *inputs, f"--policy={tmp_path}/policy.toml", "--time-limit=0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("hedgeopt: solving did not end within 0.8 s (time_limit_seconds = 0.5, and 0.3 more)")


@pytest.mark.parametrize("command", ["risk", "margin"])
def test_what_is_dangerous_comes_first_in_words_page_and_json(command, inputs, tmp_path, capsys, monkeypatch):
    text = printed(capsys, monkeypatch, "100", command, *inputs)
    frame, body = text.split("╰")[0], text.split("╰")[1]
    assert text.startswith("╭─ short-gamma market maker (example)")
    assert "Nearest liquidation: deribit/main when every coin moves −34 %." in frame
    assert main([command, *inputs, "--json", f"--out={tmp_path}/out"]) == 0
    told = json.loads(capsys.readouterr().out)["headline"]
    said = " ".join(re.sub("[│╭─╮]", " ", frame).split())
    page = (tmp_path / "out" / f"{command}.html").read_text(encoding="utf-8")
    plain = " ".join(re.sub("<[^>]+>", "", page).split())
    assert told["tone"] == "warn"
    for sentence in told["sentences"]:
        assert sentence in said
        assert sentence in plain
    if command == "risk":  # no sample figure without its sample and error
        assert told["sample"] in said
        assert told["sample"] in plain
        assert re.fullmatch(
            r"CVaR 99 %: [\d,]+ ± [\d,]+ USD \(± one standard error; scenarios: 10,000 parametric over 1 day, seed 0\)\.",
            told["sample"],
        )
        assert "Book (VaR, CVaR: 10,000 parametric over 1 day, seed 0)" in body


def test_one_sample_has_one_cvar(tmp_path, capsys):
    for name, text in example_files().items():
        (tmp_path / name).write_text(text)
    files = [f"--{name}={tmp_path}/{file}" for name, file in (("book", "book.json"), ("market", "market.csv"))]
    files += [f"--policy={tmp_path}/policy.toml", "--scenarios=400", "--json"]
    assert main(["risk", *files]) == 0
    alone = json.loads(capsys.readouterr().out)["risk"]
    assert main(["solve", *files]) == 0
    before = json.loads(capsys.readouterr().out)["before"]
    assert before["cvar"] == pytest.approx(alone["cvar"], rel=1e-12)
    assert before["value_at_risk"] == pytest.approx(alone["value_at_risk"], rel=1e-12)


@pytest.mark.parametrize("command", ["risk", "margin"])
def test_numbers_have_one_form(command, inputs, capsys, monkeypatch):
    text = printed(capsys, monkeypatch, "160", command, *inputs)
    assert not re.search(r"(?<![\w-])-\d", text)  # a true minus
    for word in text.split():
        if re.fullmatch(r"[−!]?\d{4,}", word):
            pytest.fail(f"{word} has no separators")
    assert "from nothing" not in text


@pytest.mark.parametrize(
    ("line", "at", "wanted"),
    [("hedgeopt so", 1, "solve"), ("hedgeopt schema ", 2, "policy"), ("hedgeopt margin --ti", 2, "--time-limit")],
)
def test_shells_complete_commands_options_and_values(line, at, wanted):
    environment = {**os.environ, "_HEDGEOPT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(at)}
    done = subprocess.run(RUN, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert wanted in done.stdout.split()


def test_the_completion_script_calls_the_command():
    environment = {**os.environ, "_HEDGEOPT_COMPLETE": "source_bash"}
    done = subprocess.run(RUN, capture_output=True, text=True, env=environment, timeout=120)
    assert "complete -o default -F _hedgeopt_completion hedgeopt" in done.stdout


@pytest.mark.parametrize("command", ["risk", "margin"])
def test_pages_of_a_book_are_written_beside_their_json(command, inputs, tmp_path, capsys):
    arguments = [command, *inputs]
    assert main([*arguments, "--json"]) == 0
    wanted = capsys.readouterr().out
    assert main([*arguments, f"--out={tmp_path}/out"]) == 0
    said = capsys.readouterr()
    assert said.err == f"hedgeopt: wrote {tmp_path}/out/{command}.json and {tmp_path}/out/{command}.html\n"
    assert (tmp_path / "out" / f"{command}.json").read_text(encoding="utf-8") == wanted
    page = (tmp_path / "out" / f"{command}.html").read_text(encoding="utf-8")
    assert "Nearest liquidation: deribit/main" in re.sub("<[^>]+>", "", page)
    assert "NOT covered in" in page
    assert 'style="' not in page
    taken = tmp_path / "taken"
    taken.write_text("a file, no folder")
    assert main([*arguments, f"--out={taken}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
