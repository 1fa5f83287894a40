"""Run something when a module is first imported, without importing it now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["when_imported"]


def when_imported(name: str, act: Callable[[], object]) -> None:
    """Call ``act`` once module ``name`` is imported: now if it is already, else right after its code has run."""
    if name in sys.modules:
        act()
    else:
        sys.meta_path.insert(0, _Watch(name, act))


class _Watch:
    """A finder that finds nothing itself: it adds ``act`` to the loader which the other finders give for ``name``."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self.name, self.act = name, act

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The others' spec of the watched module, with a loader that also acts; None for every other module."""
        if name != self.name:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_act(module: ModuleType) -> None:
            run(module)
            if module.__name__ == self.name and self in sys.meta_path:  # loaders may be shared; a reload does not act again
                sys.meta_path.remove(self)
                self.act()

        spec.loader.exec_module = run_and_act  # type: ignore[method-assign]
        return spec
