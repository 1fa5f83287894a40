"""Every instrument of docs/instruments.md can be held, and every family is documented there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hedgeopt.inputs.book import Book
from hedgeopt.models.pricing.families import FAMILIES


def test_examples_are_accepted_and_families_are_listed(repository: Path):
    text = (repository / "docs" / "instruments.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, flags=re.S)]
    assert len(blocks) > 7
    positions = [{"instrument": block, "quantity": 1.0} for block in blocks]
    book = Book.model_validate({"accounts": [{"name": "a", "venue": "here", "positions": positions}]})
    assert [position.instrument.kind for position in book.accounts[0].positions] == [block["kind"] for block in blocks]
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.M)) == set(FAMILIES)


def test_the_book_has_a_schema():
    schema = json.dumps(Book.model_json_schema())
    assert all(family.instrument.__name__ in schema for family in FAMILIES.values())
