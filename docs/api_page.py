"""The page of public names, docs/api.md: built with the site and not committed, as the docstrings are the text."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import hedgeopt as ho

__all__ = ["api_page"]

_HEAD = """# Public names

Everything below is an attribute of `hedgeopt`; the examples write `import hedgeopt as ho`. Names that are not here may
change without notice. `hedgeopt.tail` and `hedgeopt.backtest` are public as well.
"""
_ROOMS = {
    "Inputs": ("inputs",),
    "Solving": ("program", "presets"),
    "Terms": ("models.costs", "models.risk", "models.margin"),
    "Limits": ("constraints",),
    "Scenarios": ("models.scenarios",),
    "Instruments": ("models.pricing",),
    "Exposures and risk": ("exposures", "measures", "reports"),
    "Errors": ("errors",),
}


def api_page() -> str:
    """The page's text, one directive per name."""
    stub = ast.parse(Path(ho.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    homes = {a.name: str(node.module) for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names}
    groups: dict[str, list[str]] = {room: [] for room in (*_ROOMS, "Everything else")}
    for name in ho.__all__:
        found = (room for room, starts in _ROOMS.items() if homes[name].startswith(starts))
        groups[next(found, "Everything else")].append(name)
    parts = [_HEAD]
    for room, names in groups.items():
        if names:
            parts += [f"## {room}\n", *(_directive(name) for name in names)]
    return "\n".join(parts)


def _directive(name: str) -> str:
    thing = getattr(ho, name)
    if inspect.ismodule(thing):
        kind, options = "automodule", ("   :no-index:",)
    elif isinstance(thing, type):
        kind, options = "autoclass", ("   :members:",) if not issubclass(thing, Exception) else ()
    else:
        kind, options = ("autofunction" if callable(thing) else "autodata"), ()
    target = thing.__name__ if inspect.ismodule(thing) else f"hedgeopt.{name}"
    return "\n".join(["```{eval-rst}", f".. {kind}:: {target}", *options, "```", ""])
