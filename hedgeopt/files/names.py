"""Names that refer to something that exists elsewhere: unknown ones are refused, with the nearest known one.

A name that matches nothing is a mistake, not an empty selection: a limit on ``derbit`` would limit nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from hedgeopt.errors import InputError

__all__ = ["advice", "require_known"]

_MOST, _WIDEST = 12, 150


def advice(name: str, known: Iterable[str]) -> str:
    """``did you mean 'deribit'? known: aave, deribit``; at most some dozen known names are listed."""
    import difflib

    names = list(dict.fromkeys(str(one) for one in known))
    if not names:
        return "none is known"
    folded = {one.casefold(): one for one in reversed(names)}
    near = difflib.get_close_matches(str(name).casefold(), list(folded), n=1, cutoff=0.6)
    shown = names[:_MOST]
    while len(shown) > 3 and len(", ".join(shown)) > _WIDEST:
        shown.pop()
    rest = f", … ({len(names)} in all)" if len(names) > len(shown) else ""
    listed = f"known: {', '.join(shown)}{rest}"
    return f"did you mean {folded[near[0]]!r}? {listed}" if near else listed


def require_known(
    names: Iterable[str], known: Iterable[str], what: str, *, file: object | None = "policy", field: str | None = None
) -> None:
    """Refuse the first of ``names`` that is not ``known``.

    Parameters
    ----------
    what
        What it should be, for the message: "venue", "asset", "stress scenario".

    Raises
    ------
    InputError
        Names file, field, the value and the nearest known name.
    """
    names, known = list(names), list(known)
    for name in names:
        if name not in known:
            raise InputError(f"unknown {what}", file=file, field=field, value=name, fix=advice(name, known))
