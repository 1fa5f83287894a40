"""Rendering of the backtest pages: self-contained HTML, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

__all__ = ["Cell", "Table", "render"]


@dataclass(frozen=True)
class Cell:
    """A table cell with a tone: ``good-text``, ``bad-text``, ``warn-text`` or none."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Columns as ``(name, numeric)`` and rows of formatted cells; ``caption`` and ``links`` are shown below."""

    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str | Cell]]
    caption: str = ""
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)


def render(template: str, **values: Any) -> str:
    """The page."""
    return _environment().get_template(template).render(**values)


@lru_cache
def _environment() -> jinja2.Environment:
    import jinja2

    folder = files("hedgeopt") / "templates"
    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
    )
