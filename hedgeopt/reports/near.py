"""Near characters for an encoding that lacks some: ``>=`` for ``≥`` where a terminal is in cp437 or cp1252."""

from __future__ import annotations

import unicodedata

__all__ = ["near", "nearest"]

_WORDS = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "…": "...", "×": "x", "·": "*", "÷": "/", "±": "+/-",
        "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "→": "->", "←": "<-", "≪": "<<", "≫": ">>", "√": "sqrt", "∞": "inf",
        "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*", "Δ": "delta", "Γ": "gamma", "Θ": "theta", "σ": "sigma",
        "α": "alpha", "β": "beta", "λ": "lambda", "μ": "mu", "µ": "u", "ρ": "rho", "τ": "tau", "Σ": "sum", "∑": "sum",
        "€": "EUR", "£": "GBP", "°": " deg",
    }
)  # fmt: skip


def nearest(text: str) -> str:
    """Plain ASCII: near characters, letters without their accents, ``?`` for the rest."""
    told = unicodedata.normalize("NFKD", text.translate(_WORDS))
    return "".join(c if c.isascii() else "" if unicodedata.combining(c) else "?" for c in told)


def near(text: str, encoding: str) -> str:
    """The text with only those characters replaced that ``encoding`` cannot express; columns stay aligned with it."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "".join(c if _fits(c, encoding) else nearest(c) for c in text)
    return text


def _fits(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
