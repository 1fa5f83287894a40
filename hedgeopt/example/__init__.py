"""The packaged example: a synthetic BTC and ETH market, a short-gamma market maker's book, and a policy."""

from hedgeopt.example.generate import example_files

__all__ = ["example_files"]
