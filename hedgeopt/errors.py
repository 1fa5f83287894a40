"""The exceptions hedgeopt raises, and what a caller may do about each.

::

    HedgeoptError
    ├── InputError             a file or value is wrong: names file, field, value, fix    exit code 2
    │   ├── StaleQuoteError    a quote is older than the policy allows                    exit code 2
    │   └── UnsupportedForm    a cvxpy expression the tail solver cannot take             exit code 2
    ├── InfeasibleError        no trade list meets every limit: names the limits          exit code 3
    └── CertificateError       a solver answered, but its answer could not be certified   exit code 4

Retrying without changing anything helps for none of them except ``CertificateError`` (another solver or a looser
tolerance may do).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HedgeoptError(Exception):
    """Base of every error raised on purpose by hedgeopt; ``exit_code`` is what the command line returns."""

    exit_code = 1


class InputError(HedgeoptError, ValueError):
    """Bad input: one line that names the file, the field, the value and the fix.

    Parameters
    ----------
    problem
        What is wrong, as a short phrase ("negative bid_price").
    file, field, value, fix
        Where it is, what stands there, and what to do about it; each may be omitted when it does not apply.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        file: object | None = None,
        field: str | None = None,
        value: object | None = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.file, self.field, self.value, self.fix = problem, file, field, value, fix
        where = ": ".join(str(part) for part in (file, field) if part is not None)
        shown = "" if value is None else f" (got {_short(value)})"
        advice = "" if fix is None else f"; {fix}"
        super().__init__(f"{where + ': ' if where else ''}{problem}{shown}{advice}")

    def at(self, file: object) -> InputError:
        """The same error with the file named; used by readers that learn the file name last."""
        return type(self)(self.problem, file=file, field=self.field, value=self.value, fix=self.fix)


class MissingNumberError(InputError):
    """A venue's table lacks a number that a position needs; the message names the file to write."""


class StaleQuoteError(InputError):
    """A quote or snapshot is older than the policy allows."""


class UnsupportedForm(InputError, TypeError):
    """A cvxpy expression the tail solver does not support; the message names the sub-expression."""


class InfeasibleError(HedgeoptError):
    """No trade list meets every limit.

    ``violations`` maps each limit violated at the closest point to ``(value, limit, unit)``.
    """

    exit_code = 3

    def __init__(self, message: str, violations: Mapping[str, tuple[float, float, str]] | None = None) -> None:
        self.violations = dict(violations or {})
        super().__init__(message)


class CertificateError(HedgeoptError):
    """A solver returned a point whose recomputed feasibility or optimality gap exceeds the tolerance.

    ``found`` is the last solution that could not be certified, where there is one.
    """

    exit_code = 4

    def __init__(self, message: str, found: Any = None) -> None:
        self.found = found
        super().__init__(message)

    def __reduce__(self) -> tuple[type[CertificateError], tuple[str]]:
        """What was found stays in its process."""
        return type(self), (str(self),)


def _short(value: object, width: int = 80) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"
