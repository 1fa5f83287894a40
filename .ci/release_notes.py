"""Print the section of CHANGELOG.md for a tag: ``python .ci/release_notes.py v0.1.0``; fails where there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def notes(text: str, version: str) -> str:
    """The lines below the version's heading, up to the next heading of its rank."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    for part in parts:
        heading, _, body = part.partition("\n")
        if re.match(rf"\[?v?{re.escape(version)}\b", heading):
            return body.strip() + "\n"
    raise SystemExit(f"CHANGELOG.md has no section {version}: write one before the tag")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python .ci/release_notes.py vX.Y.Z")
    sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1].removeprefix("v")))
