"""The command line as people and scripts meet it: exit codes, what stands on stdout, what is written, one-line errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hedgeopt
from hedgeopt.cli import main
from hedgeopt.errors import CertificateError
from hedgeopt.example import example_files

COMMANDS = (
    "import",
    "solve",
    "verify",
    "report",
    "explain",
    "evaluate",
    "compare",
    "relax",
    "frontier",
    "stability",
    "anatomy",
    "risk",
    "margin",
    "check",
    "scenarios",
    "schema",
    "demo",
    "plan",
    "apply",
    "cash",
    "backtest",
    "sweep",
    "doctor",
)
BAD_PRICES = ("stETH", "stETH=", "=3000", "stETH=cheap", "stETH=-1", "stETH=0", "stETH=nan", "stETH=inf")
LINEAR_POLICY = """
[[minimize]]
term = { kind = "transaction_cost" }
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "BTC" }
lower = -2.0
upper = 2.0
[[subject_to]]
kind = "limit"
term = { kind = "gamma", underlying = "ETH" }
lower = -1.0
[scenarios]
kind = "parametric"
count = 200
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {**example_files(), "policy.toml": LINEAR_POLICY}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name.split(".")[0]: tmp_path / name for name in texts}


def given(files: dict[str, Path], command: str = "solve", *more: object) -> list[str]:
    inputs = [f"--{name}={path}" for name, path in files.items()]
    return [command, *inputs, *map(str, more)]


def one_line(captured: str) -> str:
    assert captured.startswith("hedgeopt: ")
    assert captured.count("\n") == 1
    assert "Traceback" not in captured
    return captured


def process(*arguments: object, **options: object) -> subprocess.Popen[str]:
    code = "import sys; from hedgeopt.cli import main; sys.exit(main())"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **pipes)  # type: ignore[call-overload]


def test_solve_prints_json_and_nothing_else(files, capsys):
    assert main(given(files, "solve", "--json")) == 0
    captured = capsys.readouterr()
    proposal = json.loads(captured.out)
    assert captured.err == ""
    assert proposal["certificate"]["feasible"]
    assert proposal["certificate"]["optimal"]
    delta = proposal["after"]["greeks"]["BTC"]["delta"]
    assert -2 - 1e-8 <= delta <= 2 + 1e-8
    assert proposal["after"]["greeks"]["ETH"]["gamma"] >= -1 - 1e-9
    assert proposal["trades"]


def test_solve_prints_a_report_of_100_columns(files, capsys):
    assert main(given(files)) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    for word in ("Trades", "before", "after", "Limits", "Certified", "gap", "half-spread", "CVaR 99 %", "margin", "seconds"):
        assert word in text
    assert "…" not in text.replace(" … ", "")


def test_out_writes_both_files(files, tmp_path, capsys):
    assert main(given(files, "solve", "--out", tmp_path / "new" / "folder")) == 0
    written = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert written == {"proposal.json", "proposal.html"}
    assert "proposal.json" in one_line(capsys.readouterr().err)


def test_overrides_reach_the_policy(files, capsys):
    assert main(given(files, "solve", "--json", "--scenarios", 50, "--seed", 9, "--solver", "highs")) == 0
    policy = json.loads(capsys.readouterr().out)["policy"]
    assert (policy["scenarios"]["count"], policy["scenarios"]["seed"], policy["solver"]) == (50, 9, "HIGHS")


def test_same_seed_same_answer(files, capsys):
    answers = []
    for _ in range(2):
        assert main(given(files, "solve", "--json")) == 0
        answer = json.loads(capsys.readouterr().out)
        answer.pop("seconds")
        answer["solver"] = None
        answers.append(answer)
    assert answers[0] == answers[1]


def test_bad_input_is_2(files, capsys):
    files["book"].write_text("{}")
    assert main(given(files)) == 2
    line = one_line(capsys.readouterr().err)
    assert "book.json" in line
    assert "accounts" in line


def test_infeasible_is_3_and_names_the_limit(files, capsys, tmp_path):
    files["policy"].write_text(
        LINEAR_POLICY + '\n[[subject_to]]\nkind = "limit"\nterm = { kind = "transaction_cost" }\nupper = 1.0\n'
    )
    assert main(given(files, "solve", "--out", tmp_path / "out")) == 3
    captured = capsys.readouterr()
    line, *details = captured.err.splitlines(keepends=True)
    one_line(line)
    assert all(one_line(detail) for detail in details)
    assert captured.out == ""
    assert "closest trades" in line
    assert "transaction cost" in captured.err
    assert not (tmp_path / "out").exists()


def test_uncertified_is_4_and_never_shown_as_solved(files, capsys, tmp_path, monkeypatch):
    import hedgeopt.program.solve

    def refuse(*_: object, **__: object) -> None:
        raise CertificateError("the answer may be far from optimal")

    monkeypatch.setattr(hedgeopt.program.solve, "solve_program", refuse)
    assert main(given(files, "solve", "--json", "--out", tmp_path / "out")) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    one_line(captured.err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["solve"], "--book"),
        (["solve", "--nonsense"], "--nonsense"),
        (["conquer"], "conquer"),
        (["schema", "moon"], "moon"),
        (["check"], "nothing to check"),
        (["solve", "--book=b", "--market=m", "--policy=p", "--scenarios=0"], "--scenarios"),
        (["margin", "--book=b"], "--market"),
        (["scenarios"], "Missing command"),
        (["scenarios", "describe"], "--market"),
        (["scenarios", "describe", "1929-10-24"], "2020-03-12"),
        (["scenarios", "describe", "2020-03-12", "--market=m.csv"], "--market"),
        (["scenarios", "sample"], "--market"),
        (["scenarios", "list", "--policy=absent.toml"], "absent.toml"),
        (["check", "--price=stETH=3000"], "nothing to check"),
        (["check", "--policy=p", "--price=stETH=3000"], "--market"),
        *((["check", "--market=m.csv", f"--price={word}"], "--price") for word in BAD_PRICES),
        (["check", "--market=m.csv", "--price=stETH=1", "--price=stETH=2"], "twice"),
    ],
)
def test_usage_errors_are_one_line_and_2(arguments, word, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert word in one_line(captured.err)
    assert captured.out == ""


def test_unknown_solver_is_refused(files, capsys):
    assert main(given(files, "solve", "--solver", "ABACUS")) == 2
    assert "solver" in one_line(capsys.readouterr().err)


def test_an_unexpected_error_is_one_line_that_says_how_to_see_more(files, capsys, monkeypatch):
    import hedgeopt.inputs.book_file

    def burst(*_: object, **__: object) -> None:
        raise KeyError("two\nlines")

    monkeypatch.setattr(hedgeopt.inputs.book_file, "read_book", burst)
    assert main(given(files)) == 1
    assert "HEDGEOPT_DEBUG" in one_line(capsys.readouterr().err)
    with pytest.raises(KeyError):
        main(["--debug", *given(files)])
    monkeypatch.setenv("HEDGEOPT_DEBUG", "1")
    with pytest.raises(KeyError):
        main(given(files))


@pytest.mark.parametrize("obstacle", ["file in place of the folder", "folder in place of a file"])
def test_nothing_half_written_when_the_folder_refuses(files, tmp_path, capsys, obstacle):
    out = tmp_path / "out"
    if obstacle == "file in place of the folder":
        out.write_text("I was here first")
    else:
        (out / "proposal.html").mkdir(parents=True)
    assert main(given(files, "solve", "--out", out)) == 2
    assert "cannot be written" in one_line(capsys.readouterr().err)
    if out.is_dir():
        assert [path.name for path in out.iterdir()] == ["proposal.html"]
    else:
        assert out.read_text() == "I was here first"


def test_nothing_half_written_when_the_disk_fills(files, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "proposal.json").write_text("yesterday")
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == "proposal.html":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert main(given(files, "solve", "--out", out)) == 2
    assert "No space left" in one_line(capsys.readouterr().err)
    assert [path.name for path in out.iterdir()] == ["proposal.json"]
    assert (out / "proposal.json").read_text() == "yesterday"


def test_risk_shows_exposures_without_trades(files, capsys):
    del files["policy"]
    assert main(given(files, "risk", "--scenarios", 100, "--json")) == 0
    risk = json.loads(capsys.readouterr().out)["risk"]
    assert set(risk["greeks"]) >= {"BTC", "ETH"}
    assert "2020-03-12" in risk["stress"]
    assert main(given(files, "risk", "--scenarios", 100)) == 0
    text = capsys.readouterr().out
    assert "CVaR 99 %" in text
    assert "Trades" not in text


def test_margin_prints_the_margin_report(files, capsys):
    assert main(given(files, "margin", "--json")) == 0
    (account,) = json.loads(capsys.readouterr().out)["accounts"]
    (reference,) = _margin(files)
    assert account["now"]["maintenance"] == pytest.approx(reference.now.maintenance, rel=1e-12)
    assert account["liquidation_down"] == pytest.approx(reference.liquidation_down, rel=1e-9)
    assert {state["scenario"] for state in account["stresses"]} >= {"2020-03-12", "melt-up"}
    assert main(given(files, "margin")) == 0
    text = capsys.readouterr().out
    assert "liquidated at" in text
    assert f"{reference.now.maintenance:,.0f}" in text
    assert "…" not in text


def _margin(files):
    from hedgeopt.measures.margin_report import margin_report

    report = margin_report(hedgeopt.read_book(files["book"]), hedgeopt.read_market(files["market"]))
    return report.accounts


def test_margin_takes_the_policys_stress(files, capsys):
    files["policy"].write_text(LINEAR_POLICY + '\n[stress]\nnames = ["2022-11"]\n')
    assert main(given(files, "margin", "--json")) == 0
    (account,) = json.loads(capsys.readouterr().out)["accounts"]
    assert [state["scenario"] for state in account["stresses"]] == ["2022-11"]


def test_scenarios_list_shows_the_packaged_or_the_policys_stress(files, capsys):
    assert main(["scenarios", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["stress"]) > 5
    assert {"parametric", "regime", "historical", "cascade", "tail"} <= {row["name"] for row in told["kinds"]}
    files["policy"].write_text(LINEAR_POLICY + '\n[stress]\nnames = ["2022-11"]\n')
    assert main(["scenarios", "list", "--json", f"--policy={files['policy']}"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["stress"]] == ["2022-11"]
    assert main(["scenarios", "list"]) == 0
    text = capsys.readouterr().out
    assert "[scenarios]" in text
    assert "FTX" in text


def test_scenarios_describe_gives_every_number_a_source(capsys):
    assert main(["scenarios", "describe", "2020-03-12", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["numbers"]
    assert any(row["sourced"] for row in numbers)
    assert all(row["source"] for row in numbers)
    assert main(["scenarios", "describe", "2020-03-12"]) == 0
    assert "Coinbase" in capsys.readouterr().out


def test_scenarios_describe_and_sample_draw_the_policys_sample(files, capsys):
    import numpy as np

    given_sample = [f"--market={files['market']}", f"--policy={files['policy']}", f"--book={files['book']}"]
    assert main(["scenarios", "sample", *given_sample, "--rows=1000", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 200
    assert sum(row["probability"] for row in rows) == pytest.approx(1.0)
    assert main(["scenarios", "describe", *given_sample, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    logs = np.log1p([row["return BTC"] for row in rows])
    assert told["scenarios"] == 200
    assert told["assets"]["BTC"]["deviation"] == pytest.approx(logs.std(), rel=1e-9)
    assert main(["scenarios", "sample", *given_sample, "--rows=3", "--worst-of=ETH", "--json"]) == 0
    worst = [row["return ETH"] for row in json.loads(capsys.readouterr().out)]
    assert worst == sorted(row["return ETH"] for row in rows)[:3]
    assert main(["scenarios", "sample", *given_sample, "--worst-of=DOGE"]) == 2
    assert "BTC, ETH" in one_line(capsys.readouterr().err)
    for command in ("describe", "sample"):
        assert main(["scenarios", command, *given_sample]) == 0
        assert "ETH" in capsys.readouterr().out


def test_a_price_reaches_the_market(files, capsys):
    held = sum(item["amount"] for item in json.loads(files["book"].read_text())["accounts"][0]["collateral"][2:])
    equities = []
    for usd in (1.0, 0.9):
        assert main(given(files, "risk", "--scenarios=50", "--json", f"--price=USDC={usd}")) == 0
        equities.append(json.loads(capsys.readouterr().out)["risk"]["equity"])
    assert equities[0] - equities[1] == pytest.approx(0.1 * held, rel=1e-9)


def test_an_asset_without_a_price_is_set_aside_by_risk_and_refused_by_solve(files, capsys, tmp_path):
    book = json.loads(files["book"].read_text())
    book["accounts"][0]["collateral"].append({"asset": "SOL", "amount": 10.0})
    files["book"].write_text(json.dumps(book))
    assert main(given(files, "risk", "--scenarios=50")) == 0
    assert "set aside, not in any figure: 10 SOL of account main" in " ".join(capsys.readouterr().out.split())
    assert main(given(files, "solve", f"--out={tmp_path}/out")) == 2
    assert "SOL" in one_line(capsys.readouterr().err)


def test_a_price_the_file_holds_is_refused(files, capsys):
    assert main(["check", f"--market={files['market']}", "--price=BTC=90000"]) == 2
    assert "BTC" in one_line(capsys.readouterr().err)


def test_invert_marks_reads_a_market_without_vols(files, capsys):
    import pandas as pd

    pd.read_csv(files["market"]).drop(columns="mark_iv").to_csv(files["market"], index=False)
    assert main(["check", f"--market={files['market']}"]) == 2
    assert "mark_iv" in one_line(capsys.readouterr().err)
    assert main(["check", f"--market={files['market']}", "--invert-marks"]) == 0
    assert "note: " in capsys.readouterr().out


def test_check_accepts_each_input_alone_and_all_together(files, capsys):
    for name, path in files.items():
        assert main(["check", f"--{name}={path}"]) == 0
        assert path.name in capsys.readouterr().out
    assert main(given(files, "check")) == 0
    assert "candidates" in capsys.readouterr().out


def test_check_sees_what_only_shows_together(files, capsys):
    text = files["policy"].read_text().replace('underlying = "ETH"', 'underlying = "DOGE"')
    files["policy"].write_text(text)
    assert main(["check", f"--policy={files['policy']}"]) == 0
    capsys.readouterr()
    assert main(given(files, "check")) == 2
    assert "DOGE" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("kind", ["book", "market", "policy", "venue", "assets", "stress"])
def test_schema_is_json(kind, capsys):
    assert main(["schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]


def test_market_schema_names_the_columns_the_reader_needs(capsys):
    from hedgeopt.inputs.columns import OPTIONAL, REQUIRED

    main(["schema", "market"])
    schema = json.loads(capsys.readouterr().out)
    assert schema["required"] == list(REQUIRED)
    assert set(schema["properties"]) == {*REQUIRED, *OPTIONAL}


@pytest.mark.parametrize("command", [*COMMANDS, "scenarios list", "scenarios describe", "scenarios sample", "costs fit"])
def test_every_command_has_help(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Exit codes" in text
    for code in ("0 solved", "2 bad input", "3 infeasible", "4 the solver could not certify"):
        assert code in text


def test_the_commands_are_these_and_all_their_options_are_explained():
    import typer

    from hedgeopt.cli.app import app

    group = typer.main.get_command(app)
    assert set(group.commands) == {*COMMANDS, "costs"}  # type: ignore[attr-defined]
    commands = dict(group.commands)  # type: ignore[attr-defined]
    commands |= commands.pop("costs").commands
    commands |= commands.pop("scenarios").commands
    assert set(commands) >= {"list", "describe", "sample"}
    for command in commands.values():
        assert command.help
        assert all(getattr(parameter, "help", None) for parameter in command.params)


def test_no_arguments_shows_help(capsys):
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["hedgeopt", hedgeopt.__version__]


def test_the_command_line_starts_light():
    code = (
        "import sys, hedgeopt.cli.app, hedgeopt.cli.guard\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'cvxpy', 'numba', 'matplotlib', 'pyarrow', 'pydantic', 'jinja2'}\n"
        "heavy |= {'rich', 'asyncio', 'wrapt'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_closed_pipe_is_no_error(files):
    read, write = os.pipe()
    os.close(read)
    running = process(*given(files, "check"), stdout=write)
    os.close(write)
    _, errors = running.communicate(timeout=120)
    assert errors == ""
    assert running.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_one_line(files):
    running = process(*given(files, "risk", "--scenarios", 5_000_000, "--verbose"))  # takes many seconds
    line = running.stderr.readline()
    while line and "pricing" not in line:  # however long the machine takes to get there
        line = running.stderr.readline()
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=300)
    assert "interrupted" in one_line("".join(x for x in errors.splitlines(True) if " info " not in x))
    assert running.returncode == 130


def test_progress_stays_off_a_pipe(files):
    running = process(*given(files, "risk", "--json", "--scenarios", 50))
    out, errors = running.communicate(timeout=180)
    assert json.loads(out)
    assert errors == ""


@pytest.mark.parametrize("preset", ["delta", "delta-vega", "tail", "crash"])
def test_a_preset_needs_no_policy_file(preset, files, capsys):
    code = main(
        ["solve", f"--book={files['book']}", f"--market={files['market']}", f"--preset={preset}", "--json", "--seed=3"]
    )
    found = json.loads(capsys.readouterr().out)
    assert code == (0 if found["certificate"]["optimal"] else 4)  # a few strikes leave whole lots far from the ideal
    assert found["certificate"]["feasible"]
    assert found["policy"]["name"] == f"preset: {preset.replace('-', ' and ')}"
    assert found["policy"]["scenarios"]["seed"] == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "--policy: is missing"),
        (["--preset=delta", "--policy=p.toml"], "is given beside --preset"),
        (["--preset=gamma"], "--preset: unknown preset (got 'gamma')"),
    ],
)
def test_one_policy_or_one_preset(more, words, files, capsys):
    assert main(["solve", f"--book={files['book']}", f"--market={files['market']}", *more]) == 2
    assert words in capsys.readouterr().err
