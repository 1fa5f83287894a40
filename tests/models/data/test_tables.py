"""Every packaged table is dated, says how long it may be relied on, and names what was not read in a source."""

from __future__ import annotations

from datetime import date, timedelta
from importlib.resources import files

import pytest

from hedgeopt.models.data import About, about, names, table


def test_every_table_is_named() -> None:
    found = {
        item.name.removesuffix(".toml") for item in files("hedgeopt.models.data").iterdir() if item.name.endswith("toml")
    }
    assert found == set(names())


@pytest.mark.parametrize("name", names())
def test_a_table_says_its_date_its_shelf_life_and_its_doubts(name: str) -> None:
    own = about(name)
    assert isinstance(own.as_of, date)
    assert own.as_of <= date.today()
    assert own.shelf_life_days > 0
    for entry in own.unverified:
        inside: object = table(name)
        for part in entry.split("."):
            assert isinstance(inside, dict), f"{name}: {entry} names nothing"
            assert part in inside, f"{name}: {entry} names nothing"
            inside = inside[part]


@pytest.mark.parametrize("name", names())
def test_a_comment_that_doubts_a_number_is_listed(name: str) -> None:
    """A number with the word beside it and not in the list would be shipped as the venue's."""
    text = (files("hedgeopt.models.data") / f"{name}.toml").read_text(encoding="utf-8")
    doubted = [
        line.split("=")[0].strip()
        for line in text.splitlines()
        if "unverified" in line and "=" in line.split("#")[0] and not line.startswith("unverified")
    ]
    listed = {entry.split(".")[-1] for entry in about(name).unverified}
    assert set(doubted) <= listed


def test_doubts_are_found_above_and_inside() -> None:
    own = About("x", date(2026, 1, 1), 10, ("fees", "margin.tiers.SOL"))
    assert own.doubts("fees.spot_taker") == ("fees",)
    assert own.doubts("margin") == ("margin.tiers.SOL",)
    assert own.doubts("margin.tiers.SOL") == ("margin.tiers.SOL",)
    assert own.doubts("margin.tiers.SO") == ()
    assert own.doubts("margin.tiers.BTC") == ()
    assert own.doubts("feesx") == ()


def test_the_day_after_the_last_is_too_late() -> None:
    own = About("x", date(2026, 1, 1), 10, ())
    assert not own.expired(date(2026, 1, 11))
    assert own.expired(date(2026, 1, 1) + timedelta(days=11))
