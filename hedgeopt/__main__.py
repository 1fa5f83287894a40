"""``python -m hedgeopt``: the same as ``hedgeopt``, also where the command is not on PATH."""

import sys

from hedgeopt.cli import main

if __name__ == "__main__":
    sys.exit(main())
