"""hedgeopt: a convex-optimization hedge solver for crypto derivatives books.

Everything public is here, listed in ``__init__.pyi``; names load on first use, so that ``import hedgeopt`` is quick.
Importing it also teaches every ``cvxpy.Problem`` the exact CVaR solver: ``problem.solve(method="tail")``, whichever of the
two is imported first.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import lazy_loader

from hedgeopt._first_import import when_imported

__version__ = "0.1.0"

# in a checkout on Windows the symlinks to models/ and constraints/ are text files: the rooms are found beside the package
if Path(__file__).with_name("models").is_file():
    __path__.append(str(Path(__file__).resolve().parent.parent))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

when_imported("cvxpy", lambda: importlib.import_module("hedgeopt.tail"))  # which registers itself when first imported
