"""Terms and limits refuse to be true or false, and to be compared with anything but a number.

Python turns ``-5 <= term <= 5`` into ``(-5 <= term) and (term <= 5)``, asks the first limit whether it is true, and
keeps the second only. So nothing here has a truth value: asking for it is the mistake, and the error says what to write.
"""

from __future__ import annotations

import math
import numbers
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np

from hedgeopt.errors import InputError

__all__ = ["Word", "finite_number", "is_number"]

_TWO_SIDES = "write term.within(lower, upper), or two limits, each an entry of its own"


def is_number(value: object) -> bool:
    """Whether a value is a number or an array, as opposed to another word of the algebra."""
    return isinstance(value, numbers.Number | Decimal | np.generic | np.ndarray)


def finite_number(value: object, what: str) -> float:
    """``value`` as a float.

    Raises
    ------
    InputError
        For truth values, text, arrays of more than one number, terms, NaN and infinities: none of them bounds anything.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | Decimal):
        shown = value.called() if isinstance(value, Word) else value
        fix = "give one number, and put all terms on the left: Delta('BTC') - Delta('ETH') <= 0"
        raise InputError(f"{what} is not a number", file="policy", value="None" if value is None else shown, fix=fix)
    try:
        found = float(value)
    except (OverflowError, ValueError):
        found = math.inf
    if not math.isfinite(found):
        raise InputError(f"{what} is not finite", file="policy", value=value, fix="give a number, or leave it out")
    return found


class Word:
    """Base of terms, limits and objectives: no truth value, no order, and no equality with numbers.

    ``==`` between two words stays what it was, so that policies can be compared and terms be keys.
    """

    # numpy's scalars and arrays on the left hand over to the word on the right, instead of asking it for its truth value
    __array_ufunc__ = None

    def __bool__(self) -> NoReturn:
        raise InputError(
            f"{self.called()} has no truth value: a chain such as -5 <= term <= 5, and, or, not would lose a limit",
            file="policy",
            fix=_TWO_SIDES,
        )

    def __eq__(self, other: object) -> Any:
        if is_number(other):
            self._no_order("== or !=", other)
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # each class below has its own

    def __le__(self, other: Any) -> Any:
        self._no_order("<=", other)

    def __ge__(self, other: Any) -> Any:
        self._no_order(">=", other)

    def __lt__(self, other: Any) -> NoReturn:
        self._no_order("<", other)

    def __gt__(self, other: Any) -> NoReturn:
        self._no_order(">", other)

    def _no_order(self, sign: str, other: object) -> NoReturn:
        """The refusal of a comparison."""
        raise InputError(f"{self.called()} cannot be compared by {sign}", file="policy", value=other, fix=_TWO_SIDES)

    def called(self) -> str:
        """How messages call it: its class and, where it has one, its name."""
        name = getattr(self, "name", "")
        return f"{type(self).__name__} {name!r}" if name else type(self).__name__
