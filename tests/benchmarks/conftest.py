"""Make the repository importable: these tests use the benchmarks package, which is not installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
