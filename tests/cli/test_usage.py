"""A wrong option or argument ends in one plain line with the option, the value and the fix."""

from __future__ import annotations

import pytest

from hedgeopt.cli import main
from hedgeopt.cli.app import SchemaKind


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("solve --scenarios 0", "--scenarios: is below 1 (got '0'); give 1 or more"),
        ("solve --scenarios abc", "--scenarios: is no whole number (got 'abc'); give a whole number of 1 or more"),
        ("solve --seed -3", "--seed: is below 0 (got '-3'); give 0 or more"),
        ("solve --window soon", "--window: is no number (got 'soon'); give a number"),
        ("risk --time-limit soon", "--time-limit: is no number (got 'soon'); give a number"),
        (
            "scenarios sample --market m --rows 1.5",
            "--rows: is no whole number (got '1.5'); give a whole number of 1 or more",
        ),
        ("sweep c.toml --out o --engine x", "--engine: is unknown (got 'x'); give one of local, dask"),
        ("schema nope", "KIND: is unknown (got 'nope'); give one of book, market, policy, quotes, venue, assets, stress"),
    ],
)
def test_a_value_that_does_not_fit_names_option_value_and_fix(
    words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr()
    command = " ".join(words.split()[: 2 if words.startswith("scenarios") else 1])
    assert (said.out, said.err) == ("", f"hedgeopt: {line} (see hedgeopt {command} --help)\n")


@pytest.mark.parametrize("words", ["schema", "solve", "solve --nope", "nope", "solve --scenarios", "solve --json=3"])
def test_every_other_fault_of_usage_is_one_line_too(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_help_lists_every_input_that_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    about = text[text.index("Which input") :]
    for kind in SchemaKind:
        assert kind.value in about, kind


def test_a_fault_of_our_own_message_is_one_line_with_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(error: object) -> str:
        raise RuntimeError("no words")

    monkeypatch.setattr("hedgeopt.cli.guard.usage_line", broken)
    assert main(["solve", "--scenarios", "0"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "--scenarios" in said.err
    assert "RuntimeError" in said.err
    assert "no words" in said.err
