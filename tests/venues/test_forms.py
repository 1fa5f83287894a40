"""Templates of names: what they read, and every slip in them refused with the table's file and place, not the chain's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import pytest

import hedgeopt as ho
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.models.pricing.family import Family
from hedgeopt.models.pricing.instrument import Derivative, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.venues.forms import Forms

PERPETUAL = {"kind": "perpetual", "form": "{base}-PERP", "settlement": "USDC"}
FUTURE = {"kind": "future", "form": "{base}-{expiry}", "expiry": "%Y%m%d", "settlement": "USDC"}
OPTION = {"kind": "option", "form": "{base}-{expiry}-{strike}-{right}", "expiry": "%d%b%y", "settlement": "USDC"}


class Curve(Derivative):
    nature: ClassVar[Nature] = Nature(
        "curve", "margined", "margin", "curved", "contract", "nothing", "nothing", "curve", "perpetual", "contract"
    )
    kind: Literal["curve"] = "curve"
    power: Positive
    series: int = 1
    style: Literal["plain", "capped"] = "plain"
    when: datetime | None = None


class CurveFamily(Family):
    kind = "curve"
    instrument = Curve


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "curve", CurveFamily())


def forms(*entries: dict[str, Any]) -> Forms:
    return Forms("nova", entries, "nova.toml")


def test_numbers_and_words_of_a_name_become_what_their_fields_are() -> None:
    reads = forms({"kind": "curve", "form": "{base}-P{power}-{series}-{style}", "settlement": "USDC"})
    item = reads("ETH-P2.5-3-capped")
    assert (item.power, item.series, item.style) == (2.5, 3, "capped")
    with pytest.raises(ho.InputError, match=r"instrument_name.*ETH-Pabc"):
        reads("ETH-Pabc-3-capped")


@pytest.mark.parametrize(
    ("form", "text", "hour"),
    [
        ("%Y-%m-%d", "2026-03-27", 8), ("%d%b%y", "27MAR26", 8), ("%d.%m.%Y", "27.3.2026", 8), ("%y%j", "26086", 8),
        ("%Y%m%dT%H", "20260327T16", 16), ("%B%d_%Y", "March27_2026", 8),
    ],
)  # fmt: skip
def test_dates_of_every_directive(form: str, text: str, hour: int) -> None:
    item = forms({**FUTURE, "expiry": form})(f"ETH-{text}")
    assert item.expiry == datetime(2026, 3, 27, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "field", "says"),
    [
        ({**FUTURE, "expiry": "%Y%m%D"}, "expiry", "directive %D.*%Y"),
        ({**FUTURE, "expiry": "%Y%m"}, "expiry", "names no day"),
        ({**FUTURE, "expiry": "Ymd"}, "expiry", "names no day"),
        ({**FUTURE, "expiry": "%Y%m%d%Y"}, "expiry", "more than once"),
        ({**FUTURE, "expiry": "%Y%m%dT%H", "time": "09:00"}, "time", "names give the hour"),
        ({**FUTURE, "time": "25:00"}, "time", "is not of the form"),
        ({**PERPETUAL, "expiry": "%Y%m%d"}, "expiry", "is not used"),
        ({**PERPETUAL, "settlement": "{bas}"}, "settlement", "did you mean 'base'"),
        ({**PERPETUAL, "settlement": "{"}, "settlement", "brace"),
        ({**PERPETUAL, "settlement": "{quote}"}, "settlement", "the form lacks"),
        ({**PERPETUAL, "form": "{base-PERP"}, "form", "brace"),
        ({**PERPETUAL, "form": "{base}-{base}"}, "form", "more than once"),
        ({**PERPETUAL, "rights": {"C": "call"}}, "rights", "is not used"),
        ({**OPTION, "rights": {"C": "cal", "P": "put"}}, r"rights\.C", "did you mean 'call'"),
        ({**OPTION, "rights": {}}, "rights", "names no right"),
        ({**PERPETUAL, "setlement": "USDC"}, "setlement", "unknown field.*settlement"),
        ({"kind": "curve", "form": "{base}", "settlement": "USDC", "fields": {"power": "two"}}, r"fields\.power", "number"),
        ({"kind": "curve", "form": "{base}", "settlement": "USDC", "fields": {"power": -1.0}}, r"fields\.power", "greater"),
        (
            {"kind": "curve", "form": "{base}-{power}", "settlement": "USDC", "fields": {"power": 2.0}},
            r"fields\.power", "once",
        ),
        ({"kind": "curve", "form": "{base}-{power}-{when}", "settlement": "USDC"}, "form", "no name can hold"),
    ],
)  # fmt: skip
def test_a_slip_is_refused_at_load_with_its_place(entry: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(ho.InputError, match=rf"^nova\.toml: names\[1\]\.{field}: .*{says}") as caught:
        forms({"kind": "spot", "form": "{base}_{quote}"}, entry)
    assert "\n" not in str(caught.value)


def test_two_readings_of_one_name_are_refused_and_one_is_taken() -> None:
    day_first, month_first = ({**FUTURE, "expiry": form} for form in ("%d%m%Y", "%m%d%Y"))
    reads = forms(day_first, month_first)
    with pytest.raises(ho.InputError, match=r"nova\.toml: names: is ambiguous: names\[0\].*names\[1\].*ETH-01022026"):
        reads("ETH-01022026")
    assert reads("ETH-27032026").expiry == reads("ETH-03272026").expiry == datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert reads("ETH-02022026").expiry == datetime(2026, 2, 2, 8, tzinfo=UTC)
    with pytest.raises(ho.InputError, match="names no date"):
        reads("ETH-31312026")


def test_what_cannot_be_is_not_read_by_a_vaguer_form() -> None:
    reads = forms(OPTION, {"kind": "spot", "form": "{base}"})
    with pytest.raises(ho.InputError, match="must be greater than 0"):
        reads("ETH-27MAR26-0-C")
