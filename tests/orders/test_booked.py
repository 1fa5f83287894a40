"""Identities of fills are an account's own."""

from __future__ import annotations

from typing import Any

import pytest

import hedgeopt as ho
from hedgeopt.orders.booked import content_of, new_fills
from hedgeopt.orders.fills import ListedFill, read_fills

BOOK = ho.Book(
    name="desk",
    accounts=[ho.Account(name=name, venue="deribit", collateral=[ho.Collateral(asset="BTC", amount=1.0)]) for name in "ab"],
)


def fill(row: int = 1, account: str | None = "a", quantity: float = 10.0) -> ListedFill:
    return ListedFill(row, "123", None, account, "BTC-PERPETUAL", "buy", quantity, 9e4, None, None, None)


def told(one: ListedFill) -> str:
    """Whose it is; a fill that names no account is nobody's."""
    if one.account is None:
        raise ho.InputError("is missing", field="account")
    return one.account


def booked(book: ho.Book, *rows: ListedFill, account_of: Any = told) -> tuple[list[str], list[str], ho.Book]:
    new, known, notes = new_fills(rows, book, "fills.csv", account_of)
    return [account for _, account in new], notes, book.model_copy(update={"booked": known})


def test_two_accounts_may_have_one_identity() -> None:
    accounts, notes, after = booked(BOOK, fill(), fill(2, "b", 20.0))
    assert (accounts, notes, set(after.booked)) == (["a", "b"], [], {"a/123", "b/123"})
    rows = [{"fill_id": 1, "account": name, "instrument": "BTC-PERPETUAL", "side": "buy", "quantity": q, "price": 9e4}
            for name, q in (("a", 10.0), ("b", 20.0))]  # fmt: skip
    assert [one.account for one in read_fills(rows)[0]] == ["a", "b"]
    with pytest.raises(ho.InputError, match="fill_id, row 1: is booked in this book already, with another"):
        booked(after, fill(quantity=20.0))
    assert booked(after, fill(), fill(2, "c"))[:2] == (["c"], ["1 fill booked in this book already, left out"])


def test_a_firm_knows_what_its_desk_has_booked() -> None:
    firm = ho.roll_up([booked(BOOK, fill())[2]])
    for account in ("desk/a", None):
        with pytest.raises(ho.InputError, match="all booked in this book already"):
            booked(firm, fill(account=account))
    assert booked(firm, fill(account="desk/b"))[0] == ["desk/b"]


def test_one_fill_told_with_and_without_its_account_is_one() -> None:
    accounts, notes, _ = booked(BOOK, fill(), fill(2, None), account_of=lambda one: "a")
    assert (accounts, notes) == (["a"], ["1 row of a fill that is listed already, left out"])
    with pytest.raises(ho.InputError, match="fill_id, row 2: is booked in row 1 already, with another"):
        booked(BOOK, fill(), fill(2, None, 20.0), account_of=lambda one: "a")
    with pytest.raises(ho.InputError, match="account: is missing"):
        booked(BOOK, fill(account=None))


def test_identities_alone_as_older_books_have_them_still_count() -> None:
    older = BOOK.model_copy(update={"booked": {"123": content_of(fill())}})
    with pytest.raises(ho.InputError, match="all booked in this book already"):
        booked(older, fill())
