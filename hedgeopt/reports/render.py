"""Self-contained HTML pages from the packaged templates: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """The page."""
    return _environment().get_template(template).render(**values)


@lru_cache
def _environment() -> jinja2.Environment:
    import jinja2

    folder = files(__package__) / "templates"
    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
    )
