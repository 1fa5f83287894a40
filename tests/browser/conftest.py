"""A headless Chromium for the tests of pages; screenshots go to the folder that HEDGEOPT_SCREENSHOTS names, if any."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: install hedgeopt[dev]")

WIDTHS = (320, 390, 768, 1440)
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective}: ${e.blockedURI}`));
"""


def picture(repository: Path) -> ModuleType:
    """docs/picture.py, which knows how to start the browser."""
    spec = importlib.util.spec_from_file_location("picture", repository / "docs" / "picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def browser(repository: Path) -> Iterator[Any]:
    tools = picture(repository)
    if tools.chromium() is None:
        reason = "no Chromium: apt-get install chromium, or set HEDGEOPT_CHROMIUM to its path"
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            pytest.fail(reason)
        pytest.skip(reason)
    with tools.browser() as running:
        yield running


@dataclass
class Opened:
    """A page in a tab, and everything that went wrong or was asked of the network."""

    tab: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def width(self, pixels: int) -> None:
        self.tab.set_viewport_size({"width": pixels, "height": 900})

    def ask(self, script: str) -> Any:
        return self.tab.evaluate(script)

    def violations(self) -> list[str]:
        return [*self.faults, *self.ask("window.violations || []")]


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Callable[..., Any]:
    """Opens HTML text as a file, without network."""

    @contextmanager
    def shown(html: str, **options: Any) -> Iterator[Opened]:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        settings = {"viewport": {"width": 1440, "height": 900}, "offline": True, **options}
        context = browser.new_context(**settings)
        try:
            context.add_init_script(WATCH)
            opened = Opened(context.new_page())
            opened.tab.on("console", lambda message: opened.faults.append(message.text))
            opened.tab.on("pageerror", lambda error: opened.faults.append(str(error)))
            opened.tab.on("request", lambda request: opened.requests.append(request.url))
            opened.tab.goto(path.as_uri())
            yield opened
        finally:
            context.close()

    return shown


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    named = os.environ.get("HEDGEOPT_SCREENSHOTS")
    if not named:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
