"""Quotes against marks, and marks against the index: a quote too good to be true is an error, not a hedge.

Options: an ask below the mark, or a bid above it, by more than 5 bp of the forward and 10 % of the mark, or 10 bp and 3 %,
whichever is less. Over the recorded chains (864,000 rows, two crashes among them) no quote lies that far. Perpetuals,
futures and spot: by more than 2 %. A bid at its ask is two moments in one row: orders at one price would have met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.chain.repricing import OptionRows
from hedgeopt.models.data import table, venues

__all__ = [
    "check_funding",
    "check_interest",
    "check_linear_marks",
    "far_linear_quotes",
    "outside",
    "question_forwards",
    "refuse_quotes_in_other_units",
    "too_good",
]

_FORWARD_SHARE, _MARK_PART = (5e-4, 1e-3), (0.10, 0.03)
_LINEAR = 0.02
_TELLING = 2e-3  # quotes below this share of the forward may lie many times apart
_LINEAR_REFUSED = 0.4
_SEVERAL = 3
"""Rows from which a majority tells of a unit."""
_BASIS_PER_YEAR = 1.0
_NOTED, _NOTED_PER_YEAR = 0.03, 0.5
"""A basis from which one asks whether mark or index is old; over the recorded chains none lies above .011 + .15 T."""
_ANY_FUNDING = 0.04
"""Largest rate per 8 hours believed at a venue whose table gives none (``[funding] largest_8h`` in models/data)."""
_QUESTIONED_FUNDING = 0.003
_MOST_INTEREST, _QUESTIONED_INTEREST = 1.0, 0.3


def outside(marked: np.ndarray, bid: np.ndarray, ask: np.ndarray) -> np.ndarray:
    """Where an option's mark lies outside its quotes by more than quotes and marks ever do; all as shares of the forward."""
    room = np.minimum(*(share + part * marked for share, part in zip(_FORWARD_SHARE, _MARK_PART, strict=True)))
    return (ask < marked - room) | (bid > marked + room)


def too_good(items: Sequence[Any], mark: np.ndarray, bid: np.ndarray, ask: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(n,) which instruments' quotes are too good against their marks; ``forward`` is read for options only."""
    option = np.array([item.nature.option for item in items], bool)
    inverse = np.array([getattr(item, "inverse", False) for item in items], bool)
    unit = np.where(option & ~inverse, forward, 1.0)
    linear = (ask < mark * (1.0 - _LINEAR)) | (bid > mark * (1.0 + _LINEAR))
    return np.where(option, outside(mark / unit, bid / unit, ask / unit), linear)


def refuse_quotes_in_other_units(rows: OptionRows, source: str) -> None:
    """Bids or asks of most options that are a constant multiple of their marks.

    Raises
    ------
    InputError
        Names the column, the factor and the fix.
    """
    marked = rows.marked
    for column, quote in (("ask_price", rows.ask / rows.unit), ("bid_price", rows.bid / rows.unit)):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = quote / marked
            telling = np.isfinite(ratio) & (ratio > 0) & (np.maximum(quote, marked) > _TELLING)
        far = telling & (np.abs(np.log(np.where(telling, ratio, 1.0))) > np.log(5.0))
        for pool in np.unique(rows.pools[far]).tolist():
            mine = telling & (rows.pools == pool)
            bad = mine & far
            if 2 * bad.sum() <= mine.sum():
                continue
            middle = float(np.median(ratio[bad]))
            named = {"the forward": rows.forward[bad], "1/forward": 1.0 / rows.forward[bad], "100": 100.0, "1/100": 0.01}
            word = next((w for w, f in named.items() if np.median(np.abs(np.log(ratio[bad] / f))) < 0.2), f"{middle:.3g}")
            raise InputError(
                f"is {word} × the marks in {int(bad.sum())} of {int(mine.sum())} {rows.coin[bad][0]} options settled in "
                f"{rows.settlement[bad][0]} ({rows.name[bad][0]})",
                file=source,
                field=column,
                fix="give bids, asks and marks in one unit: coins for coin-settled options, else dollars",
            )


def far_linear_quotes(
    items: Sequence[Any], mark: np.ndarray, bid: np.ndarray, ask: np.ndarray, source: str
) -> dict[int, str]:
    """Perpetuals, futures and spot whose bid or ask lies a factor of five or more from the mark, where few do: the column.

    A column is refused where most rows of a venue are so, three or more of them, or one with both sides: that is a unit. One
    side of a single row is a stub quote.

    Raises
    ------
    InputError
        Names the column, the instrument and the factor.
    """
    venue = np.array([item.venue for item in items], object)
    stubs: dict[int, str] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = {column: np.log(quote / mark) for column, quote in (("ask_price", ask), ("bid_price", bid))}
    far = {column: np.isfinite(log) & (np.abs(log) > np.log(5.0)) for column, log in logs.items()}
    both = far["ask_price"] & far["bid_price"] & (logs["ask_price"] * logs["bid_price"] > 0)
    for column, quote in (("ask_price", ask), ("bid_price", bid)):
        for place in dict.fromkeys(venue[far[column]].tolist()):
            here = venue == place
            bad, all_of_them = np.flatnonzero(far[column] & here), int((np.isfinite(logs[column]) & here).sum())
            if 2 * len(bad) <= all_of_them:
                continue
            if len(bad) < _SEVERAL and not both[bad].any():
                stubs |= dict.fromkeys(bad.tolist(), column)
                continue
            raise InputError(
                f"of {items[bad[0]].name} is {quote[bad[0]] / mark[bad[0]]:.4g} × its mark, as in {len(bad)} of "
                f"{all_of_them} such instruments of {place}",
                file=source,
                field=column,
                value=float(quote[bad[0]]),
                fix="give bids, asks and marks in USD",
            )
    return stubs


def check_linear_marks(
    items: Sequence[Any], mark: np.ndarray, index: Mapping[str, float], now: datetime, source: str
) -> list[str]:
    """Marks of perpetuals and futures against the index of their coin: notes from 3 % (plus 50 % a year) on.

    Raises
    ------
    InputError
        Where they are a factor of 1.5 (plus 100 % a year) apart.
    """
    notes = []
    for item, price in zip(items, mark.tolist(), strict=True):
        linear = item.nature.margined and item.nature.payoff == "linear"
        if not linear or item.underlying not in index or not price > 0:
            continue
        ratio = price / index[item.underlying]
        years = item.years_from(now) if item.nature.expires else 0.0
        gap, years = abs(float(np.log(ratio))), max(years, 0.0)
        if gap > _LINEAR_REFUSED + _BASIS_PER_YEAR * years:
            raise InputError(
                f"of {item.name} is {ratio:.4g} × the index of {item.underlying} ({index[item.underlying]:,.6g})",
                file=source,
                field="mark_price",
                value=price,
                fix="one of them is another coin's or in another unit: both are USD",
            )
        if gap > _NOTED + _NOTED_PER_YEAR * years:
            notes.append(
                f"mark of {item.name} lies {ratio - 1.0:+.1%} from the index of {item.underlying}: is one of them old?"
            )
    return notes


def question_forwards(rows: OptionRows) -> list[str]:
    """A note per coin whose options' forwards lie 3 % (plus 50 % a year) or more from its index, on the worst expiry."""
    gap = np.log(rows.forward / rows.index)
    beyond = np.abs(gap) - _NOTED - _NOTED_PER_YEAR * np.maximum(rows.years, 0.0)
    notes = []
    for coin in dict.fromkeys(rows.coin.tolist()):
        worst: tuple[float, int] | None = None
        for group in np.unique(rows.groups[rows.coin == coin]).tolist():
            mine = np.flatnonzero(rows.groups == group)
            middle = float(np.median(beyond[mine]))
            if middle > 0 and (worst is None or middle > worst[0]):
                worst = middle, int(mine[np.argsort(beyond[mine])[len(mine) // 2]])
        if worst is not None:
            day = np.datetime64(int(rows.expiry[worst[1]]), "s").astype("datetime64[D]")
            away = float(np.expm1(gap[worst[1]]))
            notes.append(f"forwards of {coin} to {day} lie {away:+.1%} from its index: is one of them old?")
    return notes


def check_funding(items: Sequence[Any], rate: np.ndarray, source: str) -> list[str]:
    """Funding rates per 8 hours as decimals: notes above 0.3 % (330 % a year).

    Raises
    ------
    InputError
        Above what the venue's formula can give (``[funding] largest_8h`` of its table; 4 % where it is not known).
    """
    notes = []
    for item, value in zip(items, rate.tolist(), strict=True):
        if not np.isfinite(value) or abs(value) <= _QUESTIONED_FUNDING:
            continue
        said = f"{value:.2%} per 8 hours ({3 * 365 * value:.0%} a year)"
        known = table(item.venue).get("funding", {}).get("largest_8h") if item.venue in venues() else None
        most = _ANY_FUNDING if known is None else float(known)
        if abs(value) > most:
            whose = (
                f"that {item.venue} may charge" if known is not None else f"believed where {item.venue}'s rule is not known"
            )
            raise InputError(
                f"of {item.name} is {said}, above the {most:.2%} {whose}",
                file=source,
                field="funding_8h",
                value=value,
                fix="write a decimal per 8 hours: 0.0001 is 1 bp; divide per cent by 100, an annual rate by 1,095",
            )
        notes.append(f"funding of {item.name} is {said}: is it a decimal per 8 hours?")
    return notes


def check_interest(items: Sequence[Any], rate: np.ndarray, source: str) -> list[str]:
    """Annual rates of expiries as decimals: one note on those above 30 % of either sign.

    Raises
    ------
    InputError
        Above 100 %: a rate in per cent looks just like it.
    """
    given = np.where(np.isfinite(rate), np.abs(rate), 0.0)
    high = np.flatnonzero(given > _QUESTIONED_INTEREST)
    if not len(high):
        return []
    worst = int(np.argmax(given))
    value, name = float(rate[worst]), items[worst].name
    if given[worst] > _MOST_INTEREST:
        raise InputError(
            f"of {name} is {value:.0%} a year",
            file=source,
            field="interest_rate",
            value=value,
            fix="write a decimal a year: 0.05 is 5 %; divide per cent by 100",
        )
    return [f"interest_rate of {many(len(high), 'option')} is up to {value:.0%} a year ({name}): is it a decimal?"]
