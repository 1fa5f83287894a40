"""The command line: ``hedgeopt solve``, ``risk``, ``margin`` and the others of ``hedgeopt --help``.

Only light modules load with this one, so that ``hedgeopt --help`` is immediate.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every expected fault becomes one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        from hedgeopt.cli.guard import guarded

        if argv is not None:
            return guarded(arguments or ["--help"])
        from hedgeopt.cli.supervisor import supervised

        return supervised(arguments, lambda: guarded(arguments or ["--help"], whole_process=True))
    except KeyboardInterrupt:  # before the command began, or after it ended
        from hedgeopt.cli.streams import words

        print("hedgeopt: interrupted", file=words())
        return 130
