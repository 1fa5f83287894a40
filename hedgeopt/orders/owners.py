"""Whose a fill is: by its account, by its client order id, or as the only account that the proposal trades it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.names import advice
from hedgeopt.orders.fills import ListedFill
from hedgeopt.orders.identity import leg_of_id, legs_by_id
from hedgeopt.program.proposal import Proposal

__all__ = ["Owners"]

_NAMED = 5


class Owners:
    """Finds the account of each fill, and remembers the rows whose client id no order of the proposal has.

    Such a fill is booked where its account is told, as a book is what one holds; where it is not, nobody can know, and the
    fill is refused. So is an id of another account or instrument than the row says.
    """

    def __init__(
        self,
        proposal: Proposal,
        proposed: Mapping[tuple[str, str], Any],
        accounts: Mapping[str, Any],
        file: str,
    ) -> None:
        self._proposed, self._accounts, self._file = proposed, accounts, file
        self._legs = legs_by_id(str(proposal.to_dict()["digest"]), proposed)
        self._strange: list[int] = []

    def account(self, fill: ListedFill) -> str:
        """The account that a fill is booked to.

        Raises
        ------
        InputError
            One line: of no account of the book, of an order that is not this one, or of one of several accounts.
        """
        if fill.account is not None and fill.account not in self._accounts:
            raise self._refused(fill, "is no account of the book", "account", fill.account,
                                advice(fill.account, self._accounts))  # fmt: skip
        if fill.client_id is None:
            return fill.account or self._only(fill)
        leg = leg_of_id(fill.client_id, self._legs)
        if leg is None:
            if fill.account is None:
                fix = "apply it with the proposal it was sent from, or fill in the column account"
                raise self._refused(fill, "is of no order of this proposal", "client_id", fill.client_id, fix)
            self._strange.append(fill.row)
            return fill.account
        account, instrument = leg
        if instrument != fill.instrument or fill.account not in (None, account):
            fix = f"the row says {fill.instrument}" + ("" if fill.account is None else f" of {fill.account}")
            problem = f"is that of the order of {instrument} of {account}"
            raise self._refused(fill, problem, "client_id", fill.client_id, f"{fix}: correct the one that is wrong")
        return account

    @property
    def notes(self) -> list[str]:
        """A sentence on fills of orders that are not this proposal's."""
        if not self._strange:
            return []
        rows = ", ".join(map(str, self._strange[:_NAMED])) + (", ..." if len(self._strange) > _NAMED else "")
        count = len(self._strange)
        bears = "bears a client id" if count == 1 else "bear client ids"
        return [f"{many(count, 'fill')} {bears} of no order of this proposal, booked all the same: row {rows}"]

    def _only(self, fill: ListedFill) -> str:
        mine = [account for account, name in self._proposed if name == fill.instrument]
        if len(mine) != 1:
            problem = "is missing, and the proposal trades it in " + (", ".join(mine) or "no account")
            raise self._refused(fill, problem, "account", fill.instrument, "fill in the column account")
        return mine[0]

    def _refused(self, fill: ListedFill, problem: str, field: str, value: object, fix: str) -> InputError:
        return InputError(problem, file=self._file, field=f"{field}, row {fill.row}", value=value, fix=fix)
