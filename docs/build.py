"""Write the pages that follow from the code; with --check say which are not current.

==================  =========================================================
docs/cli.md         the commands and options, from their help
docs/policy.md      every term, limit and field, from the tables
docs/inputs.md      the forms of payload and the table of quotes
README.md           the first lines of what ``hedgeopt demo`` prints
docs/report.md      all of it
==================  =========================================================

The text comes from the options' help, not from a rendered screen, so it does not depend on a terminal or on how a version
of typer draws boxes. A printed report is compared word by word, its numbers to a thousandth and its seconds not at all:
processors differ in the last place.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from hedgeopt.cli.app import EXIT_CODES, app
from hedgeopt.cli.options import ENVIRONMENT

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))
from inputs_table import inputs_page  # noqa: E402  beside this file, which no package holds
from policy_page import policy_page  # noqa: E402  likewise

__all__ = ["PAGES", "REPORTS", "demo", "differs", "printed", "reference"]

README = DOCS.parent / "README.md"
MARK = re.compile(r"<!-- printed by hedgeopt demo(?:, its first (\d+) lines)? -->\n```text\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"[−-]?\d[\d,]*\.?\d*(?:e[−-]?\d+)?")


def reference() -> str:
    """The text of docs/cli.md."""
    group: Any = typer.main.get_command(app)
    parts = [
        "# Command line",
        "",
        "Written by `make docs` from the commands; `make check` compares.",
        "",
        f"{group.help}",
        "",
    ]
    parts += [_sentences(EXIT_CODES), "", ENVIRONMENT, ""]
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


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "cli.md": reference,
    DOCS / "policy.md": policy_page,
    DOCS / "inputs.md": inputs_page,
}
REPORTS = (README, DOCS / "report.md")


def demo() -> list[str]:
    """The lines that ``hedgeopt demo`` prints, without trailing spaces."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hedgeopt", "demo", "--out", folder]
        plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "PYTHONIOENCODING")}
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, env=plain)
    return [line.rstrip() for line in done.stdout.splitlines()]


def printed(page: Path) -> tuple[int | None, list[str]]:
    """How many first lines of the demo's report a page shows (None: all), and the lines that it shows."""
    found = MARK.search(page.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{page.name} shows no report of hedgeopt demo")
    return (int(found[1]) if found[1] else None), found[2].splitlines()


def differs(shown: list[str], now: list[str]) -> str:
    """The first line in which two reports differ by more than rounding, or nothing."""
    shown, now = _steady(shown), _steady(now)
    if len(shown) != len(now):
        return f"{len(shown)} lines instead of {len(now)}"
    timed = False
    for old, new in zip(shown, now, strict=True):
        timed = "seconds" == old[:7] == new[:7] or (timed and not any(line[:1].isalpha() for line in (old, new)))
        if timed:  # the stages take two lines where they do not fit in one
            continue
        numbers = [[float(n.replace(",", "").replace("−", "-")) for n in NUMBER.findall(line)] for line in (old, new)]
        words = [" ".join(NUMBER.sub("#", line).split()) for line in (old, new)]
        near = len(numbers[0]) == len(numbers[1]) and all(
            abs(a - b) <= 1e-3 * max(abs(a), abs(b)) + 1e-9 for a, b in zip(*numbers, strict=True)
        )
        if words[0] != words[1] or not near:
            return f"{old!r} instead of {new!r}"
    return ""


def _steady(lines: list[str]) -> list[str]:
    """Without the certificate, whose closest limit is a matter of rounding where several are at their bound."""
    text = re.sub(r"^certificate .*?^scenarios", "certificate\nscenarios", "\n".join(lines), flags=re.MULTILINE | re.DOTALL)
    return text.splitlines()


def main() -> int:
    """Write or check the pages; exit code 1 when one is not current."""
    if "--check" not in sys.argv[1:]:
        for page, text in PAGES.items():
            page.write_text(text(), encoding="utf-8")
        lines = demo()
        for page in REPORTS:
            count, shown = printed(page)
            if not differs(shown, lines[:count]):
                continue  # only the seconds would change
            mark = f", its first {count} lines" if count else ""
            block = f"<!-- printed by hedgeopt demo{mark} -->\n```text\n" + "\n".join(lines[:count]) + "\n```"
            page.write_text(MARK.sub(lambda _, block=block: block, page.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    stale = [page.name for page, text in PAGES.items() if not page.exists() or page.read_text(encoding="utf-8") != text()]
    for name in stale:
        print(f"docs/{name} is not what the code says; run make docs", file=sys.stderr)
    lines = demo()
    for page in REPORTS:
        count, shown = printed(page)
        if fault := differs(shown, lines[:count]):
            print(f"{page.name} shows another report than hedgeopt demo prints: {fault}; run make docs", file=sys.stderr)
            stale.append(page.name)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
