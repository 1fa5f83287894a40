"""Margin of every account of a book, from a book and a market."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from hedgeopt.errors import MissingNumberError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import shortened
from hedgeopt.files.plain import finite
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.margin import AccountMargin, account_margin, margin_in_units
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.margin.unmargined import Lacking

__all__ = ["MarginReport", "margin_report"]


@strict_class
@dataclass(frozen=True)
class MarginReport:
    """Every account of a book; amounts in ``unit``, the policy's numeraire at ``unit_price`` USD."""

    MAY_BE_INFINITE: ClassVar[bool] = True

    book: str
    market: str
    accounts: tuple[AccountMargin, ...]
    notes: tuple[str, ...] = ()
    unit: str = "USD"
    unit_price: float = 1.0

    def __repr__(self) -> str:
        names = f"{shortened(self.book, 60)!r}, {many(len(self.accounts), 'account')}, {shortened(self.market, 60)}"
        return f"MarginReport({names})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is unknown is None."""
        return dict(finite(asdict(self)))


@strict_call
def margin_report(book: Book, market: Market, policy: Policy | None = None) -> MarginReport:
    """Requirement, breakdown and distance to liquidation of every account, now and after each of the policy's stresses.

    Raises
    ------
    InputError
        For a position that its account's margin model has no rule for, or collateral that the venue does not know.
    MissingNumberError
        For a position whose rule lacks a number: names the account, the number, and the file to write.
    """
    rules = policy or Policy(minimize=TransactionCost())
    e = expose(book, market, rules, trades=False, sampled=False)  # no tail is measured here
    for name, model in zip(e.accounts, e.margins.models, strict=True):
        if isinstance(model, Lacking):
            why = model.missing
            told = f"the margin of account {name} is unknown: {why.problem}"
            raise MissingNumberError(told, file=why.file, field=why.field, value=why.value, fix=why.fix)
    unit, price = ("USD", 1.0) if e.numeraire is None else (e.numeraire.asset, e.numeraire.price)
    accounts = tuple(margin_in_units(account_margin(e, c), price) for c in range(len(e.accounts)))
    return MarginReport(book.name, market.source, accounts, e.notes, unit, price)
