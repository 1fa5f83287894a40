"""Write docs/cli.md from the commands and the README's report from the demo; with --check say whether cli.md is current.

The text comes from the options' own help, not from a rendered screen, so it does not depend on a terminal or on how a
version of typer draws boxes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer

from hedgeopt.cli.app import EXIT_CODES, app

__all__ = ["reference"]

PAGE = Path(__file__).resolve().parent / "cli.md"
README = PAGE.parent.parent / "README.md"
MARK = "<!-- written by make docs: hedgeopt demo -->\n```text\n"


def reference() -> str:
    """The page's text."""
    group: Any = typer.main.get_command(app)
    parts = [
        "# Command line",
        "",
        "Written by `make docs` from the commands; `make check` compares.",
        "",
        f"{group.help}",
        "",
    ]
    parts += [_sentences(EXIT_CODES), ""]
    parts += _command("hedgeopt", group)
    parts += _subcommands("hedgeopt", group)
    return "\n".join(parts).rstrip() + "\n"


def _subcommands(title: str, group: Any) -> list[str]:
    lines = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            lines += [f"## {title} {name}", "", command.help, "", *_subcommands(f"{title} {name}", command)]
        else:
            lines += _command(f"{title} {name}", command)
    return lines


def _command(title: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    named = (str(p.name).upper() if p.required else f"[{str(p.name).upper()}]" for p in arguments)
    usage = " ".join([title, *named, *(["[OPTIONS]"] if options else [])])
    lines = [f"## {title}", "", f"    {usage}", ""]
    if title.count(" "):
        lines += [command.help, ""]
    if arguments or options:
        lines += ["| | | |", "|---|---|---|"]
    for parameter in arguments:
        lines.append(f"| `{str(parameter.name).upper()}` | {_status(parameter)} | {parameter.help} |")
    for parameter in options:
        lines.append(f"| `{parameter.opts[0]}` | {_status(parameter)} | {parameter.help} |")
    return [*lines, ""]


def _status(parameter: Any) -> str:
    words = []
    if parameter.required:
        words.append("required")
    if parameter.multiple:
        words.append("repeatable")
    if not getattr(parameter, "is_flag", False) and parameter.default not in (None, ()) and not parameter.required:
        words.append(f"default `{parameter.default}`")
    return ", ".join(words)


def _sentences(codes: str) -> str:
    head, rest = codes.rstrip(".").split(": ", 1)
    table = [f"{head}:", "", "| code | meaning |", "|---|---|"]
    for part in rest.split("; "):
        code, meaning = part.split(" ", 1)
        table.append(f"| {code} | {meaning} |")
    return "\n".join(table)


def _demo() -> str:
    """What ``hedgeopt demo`` prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-c",
            "import sys; from hedgeopt.cli import main; sys.exit(main())",
            "demo",
            "--out",
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def main() -> int:
    """Write or check the page; exit code 1 when it is not current."""
    text = reference()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        head, _, tail = README.read_text(encoding="utf-8").partition(MARK)
        README.write_text(head + MARK + _demo() + tail[tail.index("```") :], encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/cli.md is not what the commands say; run make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
