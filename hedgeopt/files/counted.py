"""A count with its noun, in every sentence that counts something."""

from __future__ import annotations

__all__ = ["many"]


def many(count: int, noun: str, plural: str = "") -> str:
    """``1 trade``, ``2 trades``; thousands separated. ``plural`` where it is not the noun with an s."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {plural or noun + 's'}"
