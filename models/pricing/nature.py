"""The nature of an instrument family, declared once: one frozen record beside its pricing.

The rest of the code asks these fields and never which family an instrument belongs to, so that a new family is either
treated right everywhere or refused with the list of what is known. A family without a record, or with a word that is not
in the lists below, cannot be defined at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class

__all__ = ["Accrual", "LoanPart", "Nature", "Paid", "Payoff", "Quote", "Settlement", "Short"]

Paid = Literal["margined", "premium", "owned", "owed", "moved"]
"""How a position is held in the account.

margined: worth nothing itself, its P&L is settled into collateral; premium: paid for when bought, may be sold short against
margin; owned: paid for in full; owed: a debt; moved: collateral on its way, no position.
"""
Short = Literal["margin", "lender", "never"]
"""Meaning of a negative quantity: a position that needs margin; a debt that somebody must lend; or nothing that exists."""
Payoff = Literal["option", "linear", "curved"]
"""option: European, with strike, right and expiry, priced from a quoted vol; linear in the price; or any other curve."""
Quote = Literal["premium", "contract", "dollars", "none"]
"""Quote unit: units of the settlement asset per unit; the price of a contract (USD, also of an inverse one of one
USD); dollars per unit; or there are none and it is described in the book."""
Accrual = Literal["nothing", "funding", "deposit interest", "loan interest", "carry"]
"""What time adds between two snapshots: funding at the quoted rate, a growing index, or the family's own carry."""
Settlement = Literal["nothing", "payoff", "last mark"]
"""At expiry: an option's payoff, or the change since the last mark against the delivery price."""
LoanPart = Literal["none", "deposit", "debt"]
"""Its part in a loan: what backs debts, or the debt."""

_WORDS: dict[str, Any] = {
    "paid": Paid, "short": Short, "payoff": Payoff, "quote": Quote, "accrues": Accrual, "settles": Settlement,
    "loan": LoanPart,
}  # fmt: skip
_MARGIN_CLASSES = {"perpetual": "margined", "future": "margined", "option": "premium", "spot": "owned", "pegged": "owned"}
"""How instruments of these margin classes are paid for."""


@strict_class
@dataclass(frozen=True)
class Nature:
    """Everything about a family but its pricing.

    Attributes
    ----------
    kind
        The family's name, as in files.
    paid, short, payoff, quote, accrues, settles, loan
        See the lists of words above.
    expires
        Whether it has an expiry.
    inverse
        Whether it may be settled in its underlying coin.
    margin_class
        Its class in margin rules: ``perpetual``, ``future``, ``option``, ``spot``, ``pegged``, or a name of its own that
        only its own rules know.
    fee
        Key of the venue's fee table (``perpetual`` reads ``perpetual_taker``); none: not traded at quotes.
    unit
        What one unit of quantity is.
    multiplier
        Units of underlying (or USD, where the unit says so) in one unit of quantity; none: by instrument.
    hedge
        Whether policies that name no kinds may trade it.
    lot, tick, minimum_size, minimum_notional
        Smallest steps of quantity and price and the smallest order (in quantity units, and in USD of underlying), where they
        are the family's and not the venue's; a lot of 0 says any size.
    """

    kind: str
    paid: Paid
    short: Short
    payoff: Payoff
    quote: Quote
    accrues: Accrual
    settles: Settlement
    margin_class: str
    fee: str | None
    unit: str
    expires: bool = False
    inverse: bool = False
    loan: LoanPart = "none"
    multiplier: float | None = None
    hedge: bool = False
    lot: float | None = None
    tick: float | None = None
    minimum_size: float | None = None
    minimum_notional: float | None = None

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if getattr(self, name) not in get_args(words):
                known = ", ".join(get_args(words))
                raise InputError(
                    "is unknown", field=f"nature of {self.kind!r}: {name}", value=getattr(self, name), fix=known
                )
        paid = _MARGIN_CLASSES.get(self.margin_class, self.paid)
        option = self.payoff == "option"
        faults = {
            f"margin rules take a {self.margin_class} to be {paid}, not {self.paid}": paid != self.paid,
            f"margin rules take a {self.margin_class} to be linear": self.margin_class in ("perpetual", "future", "spot")
            and self.payoff != "linear",
            "an option is a margin_class option and the reverse": option != (self.margin_class == "option"),
            "an option is quoted as a premium and settles its payoff": option
            and (self.quote, self.settles) != ("premium", "payoff"),
            "what expires settles, and nothing else does": self.expires == (self.settles == "nothing"),
            "only margined contracts settle their last mark": self.settles == "last mark" and self.paid != "margined",
            "what is margined or paid by premium is short against margin": self.paid in ("margined", "premium")
            and self.short != "margin",
            "what is owned or owed is never short against margin": self.paid in ("owned", "owed") and self.short == "margin",
            "what is quoted has a fee key, and nothing else has": (self.quote == "none") != (self.fee is None),
            "a hedge is quoted": self.hedge and self.quote == "none",
            "margined contracts are quoted": self.paid == "margined" and self.quote != "contract",
        }
        for fault, found in faults.items():
            if found:
                raise InputError(fault, field=f"nature of {self.kind!r}")

    @property
    def option(self) -> bool:
        """Whether it is an option: strike, right, expiry, a quoted vol."""
        return self.payoff == "option"

    @property
    def quoted(self) -> bool:
        """Whether markets quote it; what they do not quote is described in the book and not traded."""
        return self.quote != "none"

    @property
    def margined(self) -> bool:
        """Whether its P&L is settled into collateral."""
        return self.paid == "margined"

    @property
    def derivative(self) -> bool:
        """Whether a venue margins it, and may close it: futures, perpetuals, options and their like."""
        return self.paid in ("margined", "premium")

    @property
    def transfer(self) -> bool:
        """Whether it is collateral on its way and no position."""
        return self.paid == "moved"

    @property
    def perpetual(self) -> bool:
        """Whether it is a linear margined contract without expiry."""
        return self.margined and self.payoff == "linear" and not self.expires

    @property
    def needs(self) -> tuple[str, ...]:
        """Attributes that its instruments must have."""
        found = ["settlement", "assets"]
        found += ["underlying", "inverse"] if self.derivative else []
        found += ["expiry", "years_from"] if self.expires else []
        found += ["strike", "right"] if self.option else []
        found += ["asset", "index", "rate", "reward_rate", "growth"] if self.loan != "none" else []
        return tuple(found)
