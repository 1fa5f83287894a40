"""Replay of recorded chains: Parquet files read a window of time at a time, with marks, funding and prices beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from hedgeopt.backtest.bad_rows import FAULT, NO_INDEX, Fault, as_numbers, events_of, sound_rows
from hedgeopt.backtest.one_clock import Curve, forwards, spot
from hedgeopt.backtest.recorded import FundingRate, dataset, mark_table, time_scalar
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.names import advice
from hedgeopt.inputs.chain.checks import check_quotes
from hedgeopt.inputs.columns import MORE_FIELDS, QUOTE_FIELDS, QUOTE_NUMBERS, RECORDED, RECORDED_REQUIRED
from hedgeopt.inputs.market import Market
from hedgeopt.models.pricing.families import family_of
from hedgeopt.venues.known import parser, perpetual_name

__all__ = ["ChainReplay"]

_NUMBERS = tuple(name for name in RECORDED if name in QUOTE_NUMBERS)
# Marks of the same observation: up to five minutes old; chains carry whole seconds, so the same second counts.
_NEAR, _SECOND = pd.Timedelta(minutes=5), pd.Timedelta(seconds=1)


@strict_class
@dataclass(frozen=True)
class ChainReplay:
    """Snapshots from recorded files of one venue.

    Iterating yields one :class:`~hedgeopt.inputs.market.Market` per moment of the first chain file, oldest first. Option
    rows come from every chain file that has the moment; where several quote an instrument the first file's row counts. At
    most ``window`` snapshots are in memory.

    Attributes
    ----------
    chains
        Parquet files (or folders of them) with one row per instrument and moment; columns of
        :mod:`hedgeopt.inputs.chain.reader`. CSV files, and neutral tables of quotes in either form
        (:mod:`hedgeopt.inputs.quotes`), are read whole.
    marks
        Files of perpetual and dated futures marks; rows of the five minutes up to a snapshot (and its own second)
        count.
    funding
        Rate per 8 hours by asset: a number, ``premium`` (the venue's formula on the recorded mark and index) or a CSV of
        rates in time (the last one known counts). Assets left out have no rate.
    synthetic_perpetuals
        Where no perpetual mark was recorded, quote one at the index, noted on the market.
    ratios
        Price of an asset as a multiple of another's, such as ``{"stETH": ("ETH", 0.999)}``.
    assets
        Currencies to read; empty: all.
    window
        Snapshots per read.
    clock
        ``recorded``: index and marks as the files give them, however many minutes from the option quotes. ``quotes``: all at
        the moment of the quotes. The index is read off their forwards (:func:`~hedgeopt.backtest.one_clock.spot`), a
        perpetual stands at the index, a dated future at the forward of the options that expire with it; recorded marks then
        only say what is listed. Else a hedge gains and loses the market's move between two clocks at every step.
    """

    chains: tuple[Path, ...]
    marks: tuple[Path, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    funding: Mapping[str, float | str] = field(default_factory=dict)
    synthetic_perpetuals: bool = False
    ratios: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    assets: tuple[str, ...] = ()
    venue: str = "deribit"
    window: int = 24
    clock: Literal["recorded", "quotes"] = "recorded"
    faults: list[dict[str, Any]] = field(default_factory=list, compare=False, repr=False)

    def told(self) -> list[dict[str, Any]]:
        """What was wrong with the rows of the last snapshot, an event each; told once."""
        found, self.faults[:] = list(self.faults), []
        return found

    def __iter__(self) -> Iterator[Market]:
        if self.clock == "quotes" and "premium" in self.funding.values():
            fix = 'give a rate, or clock = "recorded"'
            raise InputError(
                "needs recorded marks, and one clock has none", field="replay.funding", value="premium", fix=fix
            )
        stamps = self._stamps()
        marks = mark_table(self.marks)
        funding = {asset: FundingRate.of(how, self.venue, asset) for asset, how in self.funding.items()}
        parsed: dict[str, Any] = {}
        for first in range(0, len(stamps), self.window):
            chosen = stamps[first : first + self.window]
            rows = self._rows(chosen[0], chosen[-1])
            for stamp in chosen:
                yield self._market(stamp, rows[rows["timestamp"] == stamp], marks, funding, parsed)
            parsed = {name: item for name, item in parsed.items() if getattr(item, "expiry", stamp) >= stamp}

    def _stamps(self) -> pd.DatetimeIndex:
        if not self.chains:
            raise InputError("names no chain file", field="replay.chains")
        chain = dataset(self.chains[0], self.venue)
        import pyarrow.compute as pc

        parts = []
        for batch in chain.to_batches(columns=["timestamp"]):
            parts.append(pc.unique(batch["timestamp"]).to_pandas())
        stamps = pd.DatetimeIndex(pd.concat(parts).unique()) if parts else pd.DatetimeIndex([])
        stamps = (stamps.tz_localize("UTC") if stamps.tz is None else stamps.tz_convert("UTC")).sort_values()
        if stamps.hasnans:
            self.faults.append({"kind": "bad_rows", "message": f"rows of {self.chains[0].name} without a time are left out"})
            stamps = stamps[stamps.notna()]
        if self.start is not None:
            stamps = stamps[stamps >= self.start]
        if self.end is not None:
            stamps = stamps[stamps < self.end]
        if stamps.empty:
            period = f"{self.start or 'its start'} to {self.end or 'its end'}"
            raise InputError(f"holds no snapshot in the period {period}", file=self.chains[0], fix="check start and end")
        return stamps

    def _rows(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        """Option rows of every chain file in a window of time."""
        import pyarrow.dataset as ds

        parts = []
        for rank, path in enumerate(self.chains):
            source = dataset(path, self.venue)
            missing = [name for name in RECORDED_REQUIRED if name not in source.schema.names]
            if missing:
                raise InputError(f"column {missing[0]!r} is missing", file=path, fix=f"a chain needs {', '.join(RECORDED)}")
            kept = [name for name in (*RECORDED, "venue", FAULT) if name in source.schema.names]
            unit = source.schema.field("timestamp").type
            low, high = (ds.scalar(time_scalar(moment, unit)) for moment in (first, last))
            chosen = (ds.field("timestamp") >= low) & (ds.field("timestamp") <= high)
            frame = as_numbers(source.to_table(columns=kept, filter=chosen).to_pandas(), _NUMBERS)
            for name in ("instrument_name", "currency"):
                frame[name] = frame[name].astype(object)
            if "venue" in frame:
                self._refuse_other_venues(frame["venue"], path)
            frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
            parts.append(frame.assign(rank=rank))
        rows = pd.concat(parts, ignore_index=True)
        return rows[rows["currency"].isin(self.assets)] if self.assets else rows

    def _market(
        self,
        stamp: pd.Timestamp,
        rows: pd.DataFrame,
        marks: pd.DataFrame,
        funding: dict[str, FundingRate],
        parsed: dict[str, Any],
    ) -> Market:
        source = f"{self.chains[0].name} at {stamp.isoformat()}"
        rows, faults = sound_rows(rows)
        notes: list[str] = []
        index = self._index(rows, notes, faults)
        rows = rows[rows["currency"].isin(index)]
        rows, named = self._named(rows, parsed, faults)
        numbers = {name: rows[name].to_numpy(float) if name in rows else np.full(len(rows), np.nan) for name in _NUMBERS}
        for name in ("bid_price", "ask_price", "mark_price"):
            negative = numbers[name] < 0
            if negative.any():
                faults.append((f"{name} below zero", list(rows["instrument_name"][negative])))
                numbers[name] = np.where(negative, np.nan, numbers[name])
        crossed = numbers["bid_price"] > numbers["ask_price"]
        numbers["bid_price"] = np.where((numbers["bid_price"] > 0) & ~crossed, numbers["bid_price"], np.nan)
        numbers["ask_price"] = np.where((numbers["ask_price"] > 0) & ~crossed, numbers["ask_price"], np.nan)
        items = [parsed[name] for name in named]
        other = np.array([not item.nature.option for item in items], bool)
        usable = other | ((numbers["mark_iv"] > 0) & (numbers["underlying_price"] > 0))
        usable &= np.isfinite(numbers["mark_price"])
        usable &= np.array([not item.nature.expires or item.expiry > stamp for item in items], bool)
        if crossed.any():
            notes.append(f"{many(int(crossed.sum()), 'crossed quote')} taken as no quote")
        if (~usable).any():
            notes.append(f"{many(int((~usable).sum()), 'row')} without vol, forward, mark or life left out")
        kept = np.flatnonzero(usable)
        instruments = {items[i].id: items[i] for i in kept}
        quotes = pd.DataFrame(
            {name: numbers[name][kept] for name in _NUMBERS}, index=pd.Index(list(instruments), dtype=object)
        )
        curves: dict[str, Curve] | None = None
        if self.clock == "quotes":
            options = [i for i in kept if items[i].nature.option]
            curves = forwards([items[i] for i in options], numbers["underlying_price"][options], stamp)
            index |= {asset: spot(curve, stamp) for asset, curve in curves.items() if asset in index}
        paid = [key for key, item in instruments.items() if item.nature.accrues == "funding" and item.underlying in funding]
        for key in paid:  # of contracts that the chain itself quotes
            item, mark = instruments[key], float(quotes.loc[key, "mark_price"])
            quotes.loc[key, "funding_8h"] = _rate(funding[item.underlying], item, stamp, mark, index)
        more = self._linear(stamp, index, marks, funding, parsed, notes, set(rows["instrument_name"]), curves)
        instruments |= {item.id: item for item, _ in more}
        if more:
            quotes = pd.concat([quotes, pd.DataFrame([row for _, row in more], index=[item.id for item, _ in more])])
        quotes = quotes.reindex(columns=[*QUOTE_FIELDS, *MORE_FIELDS])
        quotes["timestamp"] = stamp
        prices = dict(index)
        for asset, (of, ratio) in self.ratios.items():
            if of in index:
                prices[asset] = ratio * index[of]
            elif not any(what == NO_INDEX and of in names for what, names in faults):
                fix = f"give the ratio to an asset that the chain prices; {advice(of, index)}"
                raise InputError("has no price at this moment", file=source, field=f"ratios.{asset}.of", value=of, fix=fix)
        # whether the index is one is for the engine to say: it passes over one bad snapshot, and need not end the run
        moment = stamp.to_pydatetime()
        self.faults.extend(events_of(moment, faults))
        checked = check_quotes(quotes, instruments, prices, moment, source, parity=False, against_index=False)
        return Market(moment, prices, instruments, quotes, source, (*notes, *checked.notes), checked.doubtful)

    def _instrument(self, name: str, parsed: dict[str, Any], file: Path | None = None) -> Any:
        if name not in parsed:
            read = parser(self.venue)
            try:
                parsed[name] = read(str(name))
            except InputError as error:
                given = f"venue in [replay] is {self.venue}: set the recording's venue"
                fix = f"{given}, or mend the name: {error.fix}" if error.fix else given
                file = file or next(iter(self.marks), self.chains[0])
                raise InputError(
                    f"{error.problem} of {self.venue}" if error.problem == "is not an instrument name" else error.problem,
                    file=file, field="instrument_name", value=name, fix=fix,
                ) from None  # fmt: skip
        return parsed[name]

    def _refuse_other_venues(self, venues: pd.Series, path: Path) -> None:
        other = [str(name) for name in venues.dropna().unique() if str(name).lower() != self.venue.lower()]
        if other:
            fix = f'set venue = "{other[0]}" in [replay], and replay the rows of one venue'
            raise InputError(f"is not the replay's venue, {self.venue}", file=path, field="venue", value=other[0], fix=fix)

    def _named(self, rows: pd.DataFrame, parsed: dict[str, Any], faults: list[Fault]) -> tuple[pd.DataFrame, list[str]]:
        """Rows whose names can be read; where most cannot, the recording is of another venue and refused."""
        unread: list[str] = []
        first: InputError | None = None
        for name, rank in zip(rows["instrument_name"], rows["rank"].to_numpy(int), strict=True):
            try:
                self._instrument(name, parsed, self.chains[rank])
            except InputError as error:
                unread.append(name)
                first = first or error
        if first is not None and 2 * len(unread) > len(rows):
            raise first
        if unread:
            faults.append(("names that cannot be read", unread))
            rows = rows[~rows["instrument_name"].isin(unread)]
        return rows, list(rows["instrument_name"])

    def _index(self, rows: pd.DataFrame, notes: list[str], faults: list[Fault]) -> dict[str, float]:
        """Median index by currency; a currency without one is left out of this snapshot."""
        found: dict[str, float] = {}
        for asset, group in rows.groupby("currency", observed=True)["index_price"]:
            values = group.to_numpy(float)
            values = values[np.isfinite(values) & (values > 0)]
            if not len(values):
                faults.append((NO_INDEX, [str(asset)]))
                continue
            if len(values) < len(group):
                without = ~(np.isfinite(group.to_numpy(float)) & (group.to_numpy(float) > 0))
                names = rows["instrument_name"][group.index][without]
                faults.append((f"no index price of {asset}, where others have one", [str(name) for name in names]))
            found[str(asset)] = float(np.median(values))
            drift = float(np.ptp(values)) / found[str(asset)]
            if drift > 0.005:
                notes.append(f"index of {asset} drifts {drift:.2%} within the snapshot; the median is used")
        return found

    def _linear(
        self, stamp: pd.Timestamp, index: dict[str, float], marks: pd.DataFrame, funding: dict[str, FundingRate],
        parsed: dict[str, Any], notes: list[str], listed: set[str], curves: dict[str, Curve] | None = None,
    ) -> list[tuple[Any, dict[str, float]]]:  # fmt: skip
        """Perpetuals and futures with a mark near the snapshot: mark alone, no quotes."""
        low, high = marks["time"].searchsorted([stamp - _NEAR, stamp + _SECOND])
        near = marks.iloc[low:high]
        near = near.assign(gap=(near["time"] - stamp).abs()).sort_values("gap", kind="stable").drop_duplicates("name")
        found = {str(row.name_): float(row.mark) for row in near.rename(columns={"name": "name_"}).itertuples()
                 if row.asset in index and np.isfinite(row.mark) and row.mark > 0}  # fmt: skip
        if self.synthetic_perpetuals:
            for asset, price in index.items():
                name = perpetual_name(self.venue, asset)
                if name not in found and name not in listed:
                    found[name] = price
                    notes.append(f"no mark recorded for {name}: quoted at the index")
        rows = []
        for name, mark in found.items():
            if name in listed:
                continue
            item = self._instrument(name, parsed)
            if getattr(item, "expiry", None) is not None and item.expiry <= stamp:
                continue
            if curves is not None:
                if not item.nature.expires:
                    mark = family_of(item).mark_at(item, index[item.underlying])
                elif item.expiry in curves.get(item.underlying, {}):
                    mark = curves[item.underlying][item.expiry]
                else:  # no option expires with it: nothing says where it stood then
                    continue
            row = {"mark_price": mark}
            if item.nature.accrues == "funding" and item.underlying in funding:
                row["funding_8h"] = _rate(funding[item.underlying], item, stamp, mark, index)
            rows.append((item, row))
        return rows


def _rate(how: FundingRate, item: Any, stamp: pd.Timestamp, mark: float, index: dict[str, float]) -> float:
    """The rate known at a moment; the premium is over where the contract stands at the index."""
    base = family_of(item).mark_at(item, index[item.underlying]) if how.how == "premium" else index[item.underlying]
    return how.at(stamp, mark, base)
