"""``python -m hedgeopt.cli``: the same as ``hedgeopt``."""

import sys

from hedgeopt.cli import main

sys.exit(main())
