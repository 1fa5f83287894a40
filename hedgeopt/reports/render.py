"""Self-contained HTML pages from the packaged templates: nothing is loaded from elsewhere.

Each page forbids itself everything but its one style sheet and its one script, by their SHA-256 in a content-security
policy: text from a file, whatever it holds, can neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2
    import markupsafe

__all__ = ["render"]

_LONG = 40
"""Characters beyond which a name may break anywhere."""
_SHEET = 92
"""Characters of the longest words of one row that fit A4 at the size of print."""


def render(template: str, **values: Any) -> str:
    """The page."""
    return _environment().get_template(template).render(**values)


@lru_cache
def _environment() -> jinja2.Environment:
    import jinja2

    folder = files(__package__) / "templates"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").replace("\r\n", "\n")

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(text),
    )
    environment.filters["whole"] = _whole
    environment.filters["crowded"] = _crowded
    style, script = text("page.css"), text("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    environment.globals |= {"style": style, "script": script, "security_policy": policy}
    return environment


def _whole(text: Any) -> markupsafe.Markup:
    """Text whose names do not break over lines in print: at hyphens and slashes a browser would; very long ones may."""
    import markupsafe

    parts = re.split(r"(\s+)", str(text))
    return markupsafe.Markup("").join(
        markupsafe.Markup('<span class="{}">{}</span>').format("long" if len(part) > _LONG else "name", part)
        if len(part) > _LONG or re.search(r"\w[-/]\w", part)
        else part
        for part in parts
    )


def _crowded(rows: Any, columns: Any) -> bool:
    """Whether a table is too wide for a sheet of A4 unless names break."""
    longest = [_word(name) for name, _ in columns]
    for row in rows:
        for k, cell in enumerate(row):
            text = getattr(cell, "text", None)
            longest[k] = max(longest[k], _word(cell if text is None else text))
    return sum(longest) > _SHEET


def _word(text: Any) -> int:
    """Characters of the longest word."""
    return max((len(word) for word in str(text).split()), default=0)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
