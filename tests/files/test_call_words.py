"""A call with the wrong object names the step that is missing."""

from __future__ import annotations

from typing import Any

import pytest

import hedgeopt as ho


def test_a_book_where_exposures_are_wanted_names_expose(toy_book: ho.Book, toy_market: ho.Market) -> None:
    call: Any = ho.risk_report
    with pytest.raises(ho.InputError, match=r"exposures: must be an Exposures, not Book; .*ho\.expose\(book, market"):
        call(toy_book, toy_market)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda book: ho.propose(book, "chain.csv", None), r"must be a Market, .*ho\.read_market\("),  # type: ignore[arg-type]
        (lambda book: ho.propose(None, book, book), r"must be a Book, .*ho\.read_book\("),  # type: ignore[arg-type]
        (lambda book: ho.propose(book), r"^propose: missing a required argument: 'market'; its arguments: book, market"),  # type: ignore[call-arg]
        (lambda book: ho.risk_report(), r"^risk_report: missing a required argument: 'exposures'"),  # type: ignore[call-arg]
    ],
)
def test_other_calls_name_theirs(call: Any, words: str, toy_book: ho.Book) -> None:
    with pytest.raises(ho.InputError, match=words):
        call(toy_book)
