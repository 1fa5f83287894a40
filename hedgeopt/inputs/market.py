"""A market snapshot: prices of assets, and quotes of instruments, all with their time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError, StaleQuoteError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.given import Given
from hedgeopt.inputs.columns import MORE_FIELDS, QUOTE_FIELDS
from hedgeopt.models.pricing.market_arrays import MarketArrays, asset_price

if TYPE_CHECKING:
    from hedgeopt.models.costs.impact import ImpactLaw
    from hedgeopt.models.costs.ladder import Ladder

__all__ = ["Market"]


@strict_class
@dataclass(frozen=True)
class Market:
    """One moment of the market.

    Attributes
    ----------
    timestamp
        Moment of the snapshot, with time zone (the latest quote's).
    prices
        USD index price of each asset.
    instruments
        By ``venue:name``.
    quotes
        One row per instrument, index ``venue:name``, columns :data:`~hedgeopt.inputs.columns.QUOTE_FIELDS`.
    source
        Where it was read from, for messages.
    notes
        Oddities a reader of results should know, such as index drift within the snapshot.
    doubtful
        By ``venue:name``, why an instrument is not offered as a hedge: its mark, vol, forward and quotes contradict each
        other. Positions in it are valued all the same, by the mark.
    left_out
        By ``venue:name``, why a row of the source is no instrument of this market.
    depth
        Ladders by ``venue:name``: what is bought and sold costs what walking them does, and no more than they hold is
        traded. See :meth:`with_depth`.
    impact
        What trades cost beyond the best quotes where no ladder is known. See :meth:`with_impact`.
    """

    timestamp: datetime
    prices: Mapping[str, float]
    instruments: Mapping[str, Any]
    quotes: pd.DataFrame
    source: str = "market"
    notes: tuple[str, ...] = ()
    doubtful: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    depth: Mapping[str, Ladder] = field(default_factory=dict)
    impact: ImpactLaw | None = None

    def __post_init__(self) -> None:
        if self.timestamp.tzinfo is None:
            raise InputError("needs a time zone", file=self.source, field="timestamp", value=self.timestamp)
        for asset, price in self.prices.items():
            if not (math.isfinite(price) and price > 0):
                raise InputError("must be positive", file=self.source, field=f"price of {asset}", value=price)
        missing = [column for column in QUOTE_FIELDS if column not in self.quotes.columns]
        if missing:
            raise InputError("is missing", file=self.source, field=f"column {missing[0]}")

    @classmethod
    @strict_call
    def from_frame(cls, frame: Given, **options: Any) -> Market:
        """The market in a table with one row per instrument: :func:`~hedgeopt.inputs.chain.reader.read_market` of it.

        ``options`` are that function's: ``at``, ``venue``, ``prices``, ``invert_marks``, ``window_seconds``. Prices of
        assets without rows that :meth:`to_frame` left in ``frame.attrs`` are used where ``prices`` does not name them.
        """
        from hedgeopt.inputs.market_frame import market_from_frame

        return market_from_frame(frame, **options)

    def to_frame(self) -> pd.DataFrame:
        """One row per instrument, with the columns of market files and ``venue``: :meth:`from_frame` reads it back.

        ``attrs["prices"]`` holds USD prices of assets that no row gives.
        """
        from hedgeopt.inputs.market_frame import market_to_frame

        return market_to_frame(self)

    @strict_call
    def with_depth(self, *files: Given, window_seconds: float = 60.0, venue: str | None = None) -> Market:
        """The same moment with order books and pools, from files; see :func:`~hedgeopt.inputs.depth.apply.with_depth`."""
        from hedgeopt.inputs.depth.apply import with_depth

        return with_depth(self, *files, window_seconds=window_seconds, venue=venue)

    @strict_call
    def with_impact(self, source: Given) -> Market:
        """The same moment with impact where no ladder is known, from a file of ``hedgeopt costs fit`` or your own."""
        from hedgeopt.inputs.depth.impact import with_impact

        return with_impact(self, source)

    def __repr__(self) -> str:
        """One line: when, how many instruments of which venues, and prices."""
        from hedgeopt.inputs.market_frame import market_line

        return market_line(self)

    def _repr_html_(self) -> str:
        """Prices and a count of instruments by venue and kind, for notebooks."""
        from hedgeopt.inputs.market_frame import market_card

        return market_card(self)

    def __len__(self) -> int:
        return len(self.instruments)

    @property
    def memory(self) -> dict[str, Any] | None:
        """Where what was found at this moment may be kept; none here, as somebody may edit the quotes."""
        return None

    def price(self, asset: str) -> float:
        """USD price of ``asset``; dollar assets without a quoted price are worth 1, and peg factors are relative: 1 now."""
        return asset_price(self.prices, asset, self.source)

    def arrays(self) -> MarketArrays:
        """Prices and every numeric column of the quotes, copied: what is priced from them needs the market no more."""
        columns: dict[str, np.ndarray] = {}
        for name in (*QUOTE_FIELDS, *MORE_FIELDS):
            if name != "timestamp":
                values = np.full(len(self.quotes) + 1, np.nan)
                if name in self.quotes.columns:
                    values[:-1] = self.quotes[name].to_numpy(dtype=float)
                values.setflags(write=False)
                columns[name] = values
        row = {key: at for at, key in enumerate(self.quotes.index.tolist())}
        return MarketArrays(self.timestamp, dict(self.prices), row, columns, self.source, dict(self.depth), self.impact)

    def quoted(self, field: str, ids: Sequence[str]) -> np.ndarray:
        """Column ``field`` for the given ``venue:name`` ids as floats; NaN where the market has nothing of the kind."""
        if field in MORE_FIELDS and field not in self.quotes.columns:
            return np.full(len(ids), np.nan)
        return self.quotes[field].reindex(pd.Index(ids)).to_numpy(dtype=float)

    def quote(self, field: str, key: str) -> float:
        """:meth:`quoted` of one instrument."""
        return float(self.quoted(field, [key])[0])

    def instrument(self, venue: str, name: str) -> Any:
        """The instrument ``name`` of ``venue``; raises InputError with near names when there is none."""
        try:
            return self.instruments[f"{venue}:{name}"]
        except KeyError:
            if f"{venue}:{name}" in self.left_out:
                raise InputError(
                    f"was set aside by the reader: {self.left_out[f'{venue}:{name}']}",
                    file=self.source,
                    field=venue,
                    value=name,
                    fix="mend its row: a position needs its quote",
                ) from None
            raise InputError(
                "unknown instrument", file=self.source, field=venue, value=name, fix=self._advice(venue, name)
            ) from None

    def atm_vol(self, asset: str, days: float) -> float | None:
        """At-the-money mark vol of options on ``asset`` at a tenor, linear in total variance between expiries.

        Flat beyond the first and last expiry; None when no option on the asset is quoted.
        """
        items = [i for i in self.instruments.values() if i.nature.option and i.underlying == asset]
        if not items:
            return None
        ids = [item.id for item in items]
        years = np.array([item.years_from(self.timestamp) for item in items])
        distance = np.abs(np.log(np.array([item.strike for item in items]) / self.quoted("underlying_price", ids)))
        vol = self.quoted("mark_iv", ids)
        tenors = np.unique(years)
        atm = np.array([vol[years == tenor][np.argmin(distance[years == tenor])] for tenor in tenors])
        at = np.clip(days / 365.0, tenors[0], tenors[-1])
        return float(np.sqrt(np.interp(at, tenors, atm**2 * tenors) / at))

    def require_fresh(self, ids: Sequence[str], as_of: datetime, max_age: timedelta) -> None:
        """Refuse quotes older than ``max_age`` at ``as_of``, and quotes from after it.

        Raises
        ------
        StaleQuoteError
            Names the oldest quote among ``ids`` and its age.
        """
        stamps = self.quotes["timestamp"].reindex(pd.Index(ids))
        if stamps.empty:
            return
        oldest, newest = stamps.min(), stamps.max()
        if as_of - oldest > max_age:
            age = (as_of - oldest).total_seconds()
            raise StaleQuoteError(
                f"quote of {stamps.idxmin()} is {age:,.0f} s old, the policy allows {max_age.total_seconds():,.0f} s",
                file=self.source,
                field="timestamp",
                value=oldest.isoformat(),
                fix="read a newer snapshot, or raise max_quote_age_seconds",
            )
        if newest - as_of > max_age:
            raise StaleQuoteError(
                f"quote of {stamps.idxmax()} lies {(newest - as_of).total_seconds():,.0f} s after the moment of decision",
                file=self.source,
                field="timestamp",
                value=newest.isoformat(),
                fix="check the clocks, or the book's timestamp",
            )

    def _advice(self, venue: str, name: str) -> str:
        import difflib

        names = [item.name for item in self.instruments.values() if item.venue == venue]
        if not names:
            venues = sorted({item.venue for item in self.instruments.values()})
            return f"the market holds no instrument of this venue (venues: {', '.join(venues)})"
        near = difflib.get_close_matches(name, names, n=3)
        return f"nearest: {', '.join(near)}" if near else f"the market holds {many(len(names), 'instrument')} of {venue}"
