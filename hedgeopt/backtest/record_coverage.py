"""How often a model's promises were exceeded over a record: by books like one, or by books made anew at every moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import nan
from typing import Any

import numpy as np

from hedgeopt.backtest.results.coverage import kupiec
from hedgeopt.backtest.valuation import moved_assets, value
from hedgeopt.errors import InputError
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.inputs.book import Account, Book, Position
from hedgeopt.inputs.market import Market
from hedgeopt.measures.promised import RecordCoverage
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.black76 import black76_price, greeks
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.risk.promise import radius_for
from hedgeopt.models.scenarios.draw import draw

__all__ = ["HeldThen", "RecordJudge", "books_like", "coverage_over", "record_coverage"]

_EARLY, _LATE = 0.85, 2.0
_MOST = 2_000


@dataclass(frozen=True)
class HeldThen:
    """A book at one moment, and coins held beside it, which gain what their prices do."""

    book: Book
    coins: Mapping[str, float] = field(default_factory=dict)


Maker = Callable[[Market], HeldThen | None]
"""The book at a moment of the record; None where it cannot be built there."""


@strict_call
def record_coverage(
    book: Book,
    market: Market,
    policy: Any,
    record: Iterable[Market],
    *,
    record_name: str = "the record",
    level: float = 0.99,
) -> RecordCoverage:
    """Coverage over ``record`` of the policy's scenario model for books like ``book``.

    The record should be one that the model was not fitted to, oldest market first, such as a
    :class:`~hedgeopt.backtest.chains.ChainReplay`.

    Raises
    ------
    InputError
        For samples of history or given ones, which hold the record's own future or know no other moment, and books of which
        a record of options and index prices shows nothing.
    """
    make, likeness = books_like(book, market, policy.scenarios.horizon_days)
    return coverage_over(make, policy.scenarios, record, record_name=record_name, likeness=likeness, level=level)


def books_like(book: Book, market: Market, horizon_days: float) -> tuple[Maker, str]:
    """What makes a book like ``book`` at other moments, and the likeness in words.

    An option becomes the one of its right nearest in ln(days to expiry), then in absolute delta, that outlives two horizons;
    coins, perpetuals and futures become their deltas in coins; the rest is left out.
    """
    holdings = resolve(book, market)
    e = value(book, market).exposures
    options: list[tuple[str, str, float, float, float]] = []
    coins: dict[str, float] = {}
    left = 0
    for row, item in enumerate(e.rows.instruments):
        held, delta = float(e.rows.quantity[row]), e.rows.greeks[0, row]
        if item.nature.option:
            options.append(_relative(item, held, market))
        elif item.nature.payoff == "linear":
            for a, asset in enumerate(e.assets):
                if asset not in dollar_assets() and not is_peg(asset):
                    coins[asset] = coins.get(asset, 0.0) + held * float(delta[a])
        else:
            left += 1
    for a, asset in enumerate(e.assets):
        posted = float(e.coin_delta[:, a].sum())
        if asset not in dollar_assets() and not is_peg(asset) and posted:
            coins[asset] = coins.get(asset, 0.0) + posted
    coins = {asset: amount for asset, amount in coins.items() if amount}
    if not options and not coins:
        fix = "leave out --record: it shows options, futures and coins"
        raise InputError("holds nothing that a record of chains shows", field="book", value=holdings.book.name, fix=fix)
    told = "Judged on books like this one: options nearest in days and delta, the rest by its delta in coins"
    if left:
        told += f"; {many(left, 'position')} that no chain shows left out"

    def make(then: Market) -> HeldThen | None:
        table = _tables(then, horizon_days)
        positions: dict[str, float] = {}
        for asset, right, days, delta, amount in options:
            name = _nearest(table.get((asset, right)), days, delta)
            if name is None:
                return None
            positions[name] = positions.get(name, 0.0) + amount
        held = tuple(Position(instrument=name, quantity=amount) for name, amount in positions.items() if amount)
        if any(not _priced(then, asset) for asset in coins):
            return None
        account = Account(name="main", venue=_venue(then), positions=held)
        return HeldThen(Book(name=book.name, accounts=(account,)), coins)

    return make, told


def coverage_over(
    make: Maker,
    settings: Any,
    record: Iterable[Market],
    *,
    record_name: str,
    likeness: str,
    level: float = 0.99,
    count: int = _MOST,
) -> RecordCoverage:
    """A value at risk promised at a moment of the record, judged at its horizon's end, and again from there.

    A window ends at the first market 0.85 horizons later, and the promise is one for its own length; one beyond two horizons
    is left out. Losses are by the venue's marks. At most ``count`` scenarios are drawn at each moment.
    """
    judge = RecordJudge(make, settings, record_name=record_name, likeness=likeness, level=level, count=count)
    for market in record:
        judge.see(market)
    return judge.coverage()


class RecordJudge:
    """Coverage market by market, so that several see one replay of a record; the arguments of :func:`coverage_over`."""

    def __init__(
        self,
        make: Maker,
        settings: Any,
        *,
        record_name: str,
        likeness: str,
        level: float = 0.99,
        count: int = _MOST,
        radius: float = 0.0,
    ) -> None:
        if settings.kind not in ("parametric", "regime"):
            raise InputError(
                "cannot be judged over a record",
                field="scenarios.kind",
                value=settings.kind,
                fix="give parametric or regime scenarios, or backtest it, where histories are cut at each moment",
            )
        self._make, self._settings = make, settings.model_copy(update={"count": min(settings.count, count)})
        self._level, self._name, self._likeness, self._radius = level, record_name, likeness, radius
        self._scores: list[tuple[float, float, float]] = []
        self._start: Market | None = None
        self._held: HeldThen | None = None
        self._hits: list[bool] = []
        self._worst, self._left, self._first, self._last = nan, 0, "", ""

    def see(self, market: Market) -> None:
        """RecordJudge the window that ends at this market, if one does, and begin another."""
        start = self._start
        if start is not None:
            passed = (market.timestamp - start.timestamp).total_seconds() / 86_400.0
            if passed < _EARLY * self._settings.horizon_days:
                return
            self._end(start, market, passed)
        self._start, self._held = market, self._make(market)

    def _end(self, start: Market, market: Market, passed: float) -> None:
        held = self._held
        if held is None or passed > _LATE * self._settings.horizon_days:
            self._left += 1
            return
        over = self._settings.model_copy(update={"horizon_days": passed})  # what is promised knows the start alone
        plain, cvar = _promise(held, start, over, self._level)
        loss, exposed = -_gain(held, start, market), _vegas(held, start)
        var = plain + self._radius * exposed / (1.0 - self._level)
        self._scores.append((loss, plain, exposed))
        self._hits.append(loss > var)
        if cvar > 0.0:
            self._worst = float(np.nanmax([self._worst, loss / cvar]))
        self._first, self._last = self._first or _moment(start.timestamp), _moment(market.timestamp)

    def coverage(self) -> RecordCoverage:
        """Of what was seen so far."""
        count, hits = len(self._hits), np.array(self._hits, bool)
        found = kupiec(hits, 1.0 - self._level).p if count else nan
        return RecordCoverage(
            record=self._name,
            first=self._first,
            last=self._last,
            level=self._level,
            horizon_days=self._settings.horizon_days,
            windows=count,
            hits=int(hits.sum()),
            expected=(1.0 - self._level) * count,
            p_value=found,
            worst=self._worst,
            left_out=self._left,
            likeness=self._likeness,
            radius=self._needed(),
        )

    def _needed(self) -> float:
        """Vol points with which promises would have been kept; NaN without vegas, and for a record that is too short."""
        losses, promised, exposed = np.array(self._scores, float).reshape(-1, 3).T
        if (exposed <= 0.0).any():
            return nan
        try:
            return radius_for(losses, promised, exposed, self._level)
        except InputError:
            return nan


def _promise(held: HeldThen, market: Market, settings: Any, level: float) -> tuple[float, float]:
    """Value at risk and CVaR, USD."""
    moved = dict.fromkeys([*moved_assets(resolve(held.book, market)), *held.coins])
    scenarios = draw(settings, list(moved), market)
    losses = np.zeros(len(scenarios))
    if any(account.positions for account in held.book.accounts):
        losses = -value(held.book, market, scenarios).exposures.base_pnl
    for asset, amount in held.coins.items():
        losses = losses - amount * market.price(asset) * (scenarios.price_factor(asset) - 1.0)
    return value_at_risk(losses, level, scenarios.probabilities), tail_loss(losses, level, scenarios.probabilities)


def _vegas(held: HeldThen, market: Market) -> float:
    """USD per vol point: absolute vegas of all positions."""
    rows = value(held.book, market).exposures.rows
    return float(np.abs(rows.greeks[greek("vega")]).sum(axis=1) @ np.abs(rows.quantity))


def _gain(held: HeldThen, before: Market, after: Market) -> float:
    """USD gained from one market to the other: options by their marks, all else as it is valued."""
    total = sum(amount * (after.price(asset) - before.price(asset)) for asset, amount in held.coins.items())
    rest: list[Account] = []
    for account in held.book.accounts:
        others = []
        for position in account.positions:
            item = _item(before, position.instrument, account.venue)
            if item is None or not item.nature.option:
                others.append(position)
            else:
                total += position.quantity * (_worth(item, after, before) - _worth(item, before, before))
        rest.append(account.model_copy(update={"positions": tuple(others)}))
    if any(account.positions or account.collateral for account in rest):
        book = held.book.model_copy(update={"accounts": tuple(rest)})
        total += value(book, after).equity - value(book, before).equity
    return float(total)


def _item(market: Market, name: Any, venue: str) -> Any:
    return market.instruments.get(f"{venue}:{name}") if isinstance(name, str) else None


def _worth(item: Any, market: Market, listed: Market) -> float:
    """USD of one option: its mark; unquoted there, by the vol of the nearest strike of its expiry, or its last one."""
    coin = item.settlement not in dollar_assets()
    mark = market.quote("mark_price", item.id)
    if np.isfinite(mark):
        return float(mark) * (market.price(item.underlying) if coin else 1.0)
    years = item.years_from(market.timestamp)
    same = [o for o in market.instruments.values() if o.nature.option and o.underlying == item.underlying]
    same = [o for o in same if o.expiry == item.expiry and np.isfinite(market.quote("mark_iv", o.id))]
    if years <= 0.0 or not same:
        spot = market.price(item.underlying)
        return max(spot - item.strike, 0.0) if item.right == "call" else max(item.strike - spot, 0.0)
    near = min(same, key=lambda o: abs(np.log(o.strike / item.strike)))
    forward, vol = market.quote("underlying_price", near.id), market.quote("mark_iv", near.id)
    found = black76_price(
        np.array([forward]), np.array([item.strike]), np.array([years]), np.array([vol]), np.array([item.right == "call"])
    )
    return float(found[0]) * (market.price(item.underlying) / forward if coin else 1.0)


def _relative(item: Any, held: float, market: Market) -> tuple[str, str, float, float, float]:
    """Asset, right, days, absolute delta and contracts of an option."""
    years = max(item.years_from(market.timestamp), 1e-6)
    forward, vol = market.quote("underlying_price", item.id), market.quote("mark_iv", item.id)
    delta = 0.5
    if np.isfinite(forward) and np.isfinite(vol) and vol > 0.0:
        delta = float(
            _deltas(np.array([forward]), np.array([item.strike]), np.array([years]), np.array([vol]), item.right)[0]
        )
    return item.underlying, item.right, 365.0 * years, delta, held


def _deltas(forward: np.ndarray, strike: np.ndarray, years: np.ndarray, vol: np.ndarray, right: str) -> np.ndarray:
    return np.abs(greeks(forward, strike, years, vol, np.full(len(strike), right == "call")).delta)


_Listed = tuple[list[str], np.ndarray, np.ndarray]


def _tables(market: Market, horizon_days: float) -> dict[tuple[str, str], _Listed]:
    """By asset and right: names, days and absolute deltas of the options that outlive the horizon."""
    found: dict[tuple[str, str], list[Any]] = {}
    for item in market.instruments.values():
        if item.nature.option and 365.0 * item.years_from(market.timestamp) > _LATE * horizon_days + 0.05:
            found.setdefault((item.underlying, item.right), []).append(item)
    tables = {}
    for (asset, right), items in found.items():
        ids = [item.id for item in items]
        forward, vol = market.quoted("underlying_price", ids), market.quoted("mark_iv", ids)
        known = np.flatnonzero(np.isfinite(forward) & np.isfinite(vol) & (vol > 0.0))
        years = np.array([items[k].years_from(market.timestamp) for k in known])
        strike = np.array([items[k].strike for k in known])
        if len(known):
            delta = _deltas(forward[known], strike, years, vol[known], right)
            tables[asset, right] = ([items[k].name for k in known], 365.0 * years, delta)
    return tables


def _nearest(table: _Listed | None, days: float, delta: float) -> str | None:
    if table is None:
        return None
    names, tenor, found = table
    off = np.abs(np.log(tenor / max(days, 1e-6)))
    at = np.flatnonzero(off <= off.min() + 1e-9)
    return names[int(at[np.argmin(np.abs(found[at] - delta))])]


def _priced(market: Market, asset: str) -> bool:
    try:
        market.price(asset)
    except InputError:
        return False
    return True


def _venue(market: Market) -> str:
    return str(next(item.venue for item in market.instruments.values() if item.nature.option))


def _moment(when: datetime) -> str:
    return when.isoformat()
