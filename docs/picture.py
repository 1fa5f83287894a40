"""Make docs/page.png, the README's picture: the demo's page as a headless Chromium shows it.

    python docs/picture.py [PROPOSAL.json] [--out docs/page.png]

Needs ``pip install "hedgeopt[dev]"`` and a Chromium: the one that HEDGEOPT_CHROMIUM names, else ``chromium``,
``chromium-browser`` or ``google-chrome`` on PATH (Debian: ``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "chromium", "picture"]

PNG = Path(__file__).resolve().parent / "page.png"
SIZE = {"width": 1200, "height": 1000}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


def chromium() -> str | None:
    """Path of the browser, or None."""
    named = os.environ.get("HEDGEOPT_CHROMIUM")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium that loads nothing from a network."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        raise SystemExit("picture: no Chromium found: apt-get install chromium, or set HEDGEOPT_CHROMIUM to its path")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield running
        finally:
            running.close()


def picture(page: Path, png: Path) -> None:
    """Write the top of the page at ``page`` to ``png``, in light colours."""
    with browser() as running:
        tab = running.new_page(viewport=SIZE, device_scale_factor=1, color_scheme="light", offline=True)
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=png)


def _demo(folder: Path) -> Path:
    from hedgeopt.cli import main

    if main(["demo", "--out", str(folder), "--json"]):
        raise SystemExit("picture: the demo failed")
    return folder / "proposal.json"


def _main() -> None:
    from hedgeopt.program.proposal import read_proposal

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proposal", nargs="?", type=Path, help="a stored proposal; default: the demo's")
    parser.add_argument("--out", type=Path, default=PNG, help="default: docs/page.png")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        stored = given.proposal or _demo(Path(name))
        page = Path(name) / "page.html"
        page.write_text(read_proposal(stored).to_html(), encoding="utf-8")
        picture(page, given.out)


if __name__ == "__main__":
    _main()
