"""Sizes that no book has are refused by name, with exit 2 and one line, by every command that values the book."""

import json

import pytest

from hedgeopt.cli import main
from hedgeopt.errors import InputError
from hedgeopt.example import example_files
from hedgeopt.venues.deribit.names import parse_name


@pytest.mark.parametrize("command", ["solve", "risk", "margin", "check"])
@pytest.mark.parametrize(("part", "name"), [("positions", "quantity"), ("collateral", "amount")])
@pytest.mark.parametrize("size", [9e17, 1e12])
def test_a_size_that_no_book_has_is_named(command, part, name, size, tmp_path, capsys):
    files = example_files()
    book = json.loads(files["book.json"])
    book["accounts"][0][part][0][name] = size
    said = str(book["accounts"][0][part][0].get("instrument", book["accounts"][0][part][0].get("asset")))
    (tmp_path / "book.json").write_text(json.dumps(book))
    for file in ("market.csv", "policy.toml"):
        (tmp_path / file).write_text(files[file])
    given = {"--book": "book.json", "--market": "market.csv", "--policy": "policy.toml"}
    inputs = [word for option, file in given.items() for word in (option, str(tmp_path / file))]
    assert main([command, *inputs]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert "more than 1e+15" in error


@pytest.mark.parametrize("strike", ["0", "0d0", "9" * 30, "9" * 400])
def test_a_strike_of_nothing_or_beyond_counting(strike):
    with pytest.raises(InputError, match="strike must be"):
        parse_name(f"BTC-27MAR26-{strike}-C")


@pytest.mark.parametrize("name", ["BTC-31MAR95-90000-C", "BTC-27MAR99"])
def test_a_year_that_is_not_ours(name):
    """Found by atheris: a ValidationError of several lines."""
    with pytest.raises(InputError, match="year"):
        parse_name(name)
