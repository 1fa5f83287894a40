"""Deribit's names as its payloads use them: combos, and the legs of those whose names give them."""

from __future__ import annotations

import re

__all__ = ["is_combo", "legs_of"]

_COMBO = re.compile(r"(?P<pair>[A-Z0-9]+(?:_[A-Z]+)?)-(?P<shape>[A-Z]{2,6})-(?P<rest>[A-Z0-9_d]+(?:-[0-9d_A-Z]+)*)")
_NO_COMBO = ("PERPETUAL",)


def is_combo(name: str) -> bool:
    """Whether an instrument is a combination of others: BTC-FS-27JUN25_PERP, BTC-CS-19MAY26-70000_75000."""
    match = _COMBO.fullmatch(name)
    return match is not None and match["shape"] not in _NO_COMBO


def legs_of(name: str) -> list[tuple[str, float]] | None:
    """Legs of one combo that is bought, with their amounts; None for a shape that is not known.

    Calls and puts of spreads: the first is bought; straddle, strangle: both; a future spread buys its first and sells its
    second. Source: Deribit API reference, "Combo books": names of legs follow those of the combo's parts.
    """
    match = _COMBO.fullmatch(name)
    if match is None:
        return None
    pair, shape, rest = match["pair"], match["shape"], match["rest"]
    if shape == "FS":
        days = rest.split("_")
        if len(days) != 2:
            return None
        first, second = (f"{pair}-PERPETUAL" if day == "PERP" else f"{pair}-{day}" for day in days)
        return [(first, 1.0), (second, -1.0)]
    day, _, strikes = rest.partition("-")
    found = strikes.split("_")
    if shape == "STRD" and len(found) == 1:
        return [(f"{pair}-{day}-{found[0]}-C", 1.0), (f"{pair}-{day}-{found[0]}-P", 1.0)]
    if shape == "STRG" and len(found) == 2:
        return [(f"{pair}-{day}-{found[0]}-P", 1.0), (f"{pair}-{day}-{found[1]}-C", 1.0)]
    if shape in ("CS", "PS") and len(found) == 2:
        return [(f"{pair}-{day}-{found[0]}-{shape[0]}", 1.0), (f"{pair}-{day}-{found[1]}-{shape[0]}", -1.0)]
    return None
