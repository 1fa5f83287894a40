"""Deribit's names as its payloads use them: combos, and the legs of those whose names give them.

A name is ``PAIR-SHAPE-EXPIRY-STRIKES``, with several expiries or strikes joined by ``_``. One of it bought is:

==========================  ======================================================  =========================================
shape                       legs                                                    known from
==========================  ======================================================  =========================================
FS                          + first, - second (futures; PERP: the perpetual)        API reference, get_combo_details
CS, PS                      + first strike, - second                                API reference, accept_block_rfq
STRD, STRG, GUTS            + call, + put (the lower strike is STRG's put, GUTS'    the words: both are bought
                            call)
CSR12, PSR12 … 13, 23       + 1 (2) of the first strike, - 2 (3) of the second      marks, January 2025: CSR13 50000_55000 at
                                                                                    -0.8608 is 1 : 3 at an index of 100,947
CBUT, PBUT                  + first, - 2 second, + third                            marks: positive
CCOND, PCOND                + first, - second, - third, + fourth                    marks: positive
ICOND                       + put, - put, - call, + call                            marks: negative, the middle is sold
CCAL, PCAL, CDIAG, PDIAG    + first expiry (and strike), - second                   recorded get_combos replies
REV                         + call, - put                                           marks: 0.3754 at 60000, index 94,962
BOX                         + call - put at the first strike, - call + put at the   marks: 0.1827 x 16,582 is 3,000 for
                            second                                                  17000_20000
==========================  ======================================================  =========================================

Other shapes (RR, RRITM, IBUT, CBUT111, PBUT111, CLAD, PLAD, STDC, DSTDC, JR) are combos too, but no documentation says which
legs are sold: they are unfolded by the reply to ``public/get_combos`` alone (:mod:`.deribit_combos`).
"""

from __future__ import annotations

import re

__all__ = ["is_combo", "legs_of"]

_COMBO = re.compile(r"(?P<pair>[A-Z0-9]+(?:_[A-Z]+)?)-(?P<shape>[A-Z]{2,6}\d{0,3})-(?P<rest>[A-Z0-9_d]+(?:-[0-9d_A-Z]+)*)")
_NO_COMBO = ("PERPETUAL",)
_DAY = re.compile(r"\d{1,2}[A-Z]{3}\d{2}")
_STRIKE = re.compile(r"\d+(?:d\d+)?")

_Leg = tuple[int, int, str, float]
"""Expiry and strike by their place in the name, right, amount."""


def _one_expiry(*legs: tuple[int, str, float]) -> tuple[_Leg, ...]:
    return tuple((0, strike, right, amount) for strike, right, amount in legs)


def _ratios() -> dict[str, tuple[_Leg, ...]]:
    return {
        f"{right}SR{few}{many}": _one_expiry((0, right, float(few)), (1, right, -float(many)))
        for right in "CP"
        for few, many in ((1, 2), (1, 3), (2, 3))
    }


_SHAPES: dict[str, tuple[_Leg, ...]] = {
    **{f"{r}S": _one_expiry((0, r, 1.0), (1, r, -1.0)) for r in "CP"},
    "STRD": _one_expiry((0, "C", 1.0), (0, "P", 1.0)),
    "STRG": _one_expiry((0, "P", 1.0), (1, "C", 1.0)),
    "GUTS": _one_expiry((0, "C", 1.0), (1, "P", 1.0)),
    **_ratios(),
    **{f"{r}BUT": _one_expiry((0, r, 1.0), (1, r, -2.0), (2, r, 1.0)) for r in "CP"},
    **{f"{r}COND": _one_expiry((0, r, 1.0), (1, r, -1.0), (2, r, -1.0), (3, r, 1.0)) for r in "CP"},
    "ICOND": _one_expiry((0, "P", 1.0), (1, "P", -1.0), (2, "C", -1.0), (3, "C", 1.0)),
    "REV": _one_expiry((0, "C", 1.0), (0, "P", -1.0)),
    "BOX": _one_expiry((0, "C", 1.0), (0, "P", -1.0), (1, "C", -1.0), (1, "P", 1.0)),
    **{f"{r}CAL": ((0, 0, r, 1.0), (1, 0, r, -1.0)) for r in "CP"},
    **{f"{r}DIAG": ((0, 0, r, 1.0), (1, 1, r, -1.0)) for r in "CP"},
}


def is_combo(name: str) -> bool:
    """Whether an instrument is a combination of others: BTC-FS-27JUN25_PERP, BTC-CS-19MAY26-70000_75000."""
    match = _COMBO.fullmatch(name)
    return match is not None and match["shape"] not in _NO_COMBO


def legs_of(name: str) -> list[tuple[str, float]] | None:
    """Legs of one combo that is bought, with their amounts; None where the name does not tell them."""
    match = _COMBO.fullmatch(name)
    if match is None:
        return None
    pair, shape, (first, *strikes) = match["pair"], match["shape"], match["rest"].split("-")
    days = first.split("_")
    if shape == "FS":
        if strikes or len(days) != 2 or not all(day == "PERP" or _DAY.fullmatch(day) for day in days):
            return None
        near, far = (f"{pair}-PERPETUAL" if day == "PERP" else f"{pair}-{day}" for day in days)
        return [(near, 1.0), (far, -1.0)]
    legs = _SHAPES.get(shape)
    if legs is None or len(strikes) != 1:
        return None
    at = strikes[0].split("_")
    wanted = max(leg[0] for leg in legs) + 1, max(leg[1] for leg in legs) + 1
    if (len(days), len(at)) != wanted or not all(map(_DAY.fullmatch, days)) or not all(map(_STRIKE.fullmatch, at)):
        return None
    return [(f"{pair}-{days[day]}-{at[strike]}-{right}", amount) for day, strike, right, amount in legs]
