"""Book and market to arrays: the only converter from domain types.

Every position and every candidate is priced by its family, now and in every scenario, by full revaluation; everything
downstream works on the arrays of :class:`~hedgeopt.models.arrays.Exposures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hedgeopt.exposures.caveats import caveats, unmet_scenarios
from hedgeopt.exposures.depth import at_the_best, candidate_depth
from hedgeopt.exposures.margins import account_margins, without_missing
from hedgeopt.exposures.pairs import pair_up
from hedgeopt.exposures.plausible import refuse_implausible_sizes
from hedgeopt.exposures.resolve import Holdings
from hedgeopt.exposures.revalue import Place, Revaluer, revalue
from hedgeopt.exposures.row_table import refuse_owed_rows, rows_of, trade_greeks
from hedgeopt.exposures.tradable import stress_unwind, tradable
from hedgeopt.exposures.transfers import capacity, flows_of, links_of, sending_cost
from hedgeopt.exposures.units import known_carry, paid_in_column, unit_risk
from hedgeopt.files.calls import strict_call
from hedgeopt.files.counted import many
from hedgeopt.inputs.book import Book
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.impact import Worth
from hedgeopt.models.costs.quotes import FeeTerms, unit_cost
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.margins import Margins
from hedgeopt.models.pegs import is_peg, moved_by
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.pricing.spot import price_slopes
from hedgeopt.models.pricing.transfer import Transfer
from hedgeopt.models.rows import Rows
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["build_exposures"]


@strict_call
def build_exposures(
    holdings: Holdings,
    candidates: Sequence[Any],
    scenarios: ScenarioSet,
    stress: ScenarioSet,
    *,
    transfers: Sequence[Transfer] = (),
    mark_half_spread: float | None = None,
    trades: bool = True,
    paused_venues: Sequence[str] = (),
    also: Sequence[str] = (),
    maker: bool = False,
) -> Exposures:
    """Price a book and its candidate hedges.

    Parameters
    ----------
    holdings
        The book as :func:`~hedgeopt.exposures.resolve.resolve` gives it, with the prices and quotes that all of this reads.
    candidates
        Instruments that may be traded, in every tradable account of their venue.
    transfers
        Ways to move collateral; candidates too, after the instruments.
    scenarios
        The sample for tail risk.
    stress
        Named scenarios, one label each.
    mark_half_spread
        See :func:`hedgeopt.models.costs.quotes.unit_cost`.
    trades
        False skips the candidates' scenario matrix (risk report without hedging).
    maker
        Whether orders pay fees as makers.
    paused_venues
        Venues that are halted now: their candidates get a closed box.
    also
        Assets that count although neither book nor candidates hold them, such as a numeraire.
    """
    book, market = holdings.book, holdings.market
    table = pair_up(holdings, candidates if trades else (), transfers if trades else ())
    assets = _assets(book, table.unique, also)
    prices = np.array([market.price(asset) for asset in assets])
    risk = unit_risk(table.unique, market, assets, holdings.memory)
    collateral, collateral_delta = _collateral(book, market, assets)
    notes = [*holdings.notes, *_peg_notes(assets, scenarios), *unmet_scenarios(holdings, stress)]
    carry = known_carry(table.unique, risk, notes)
    at = table.instrument
    rows, place = rows_of(table, market, risk, carry)
    refuse_owed_rows(book, rows)
    refuse_implausible_sizes(book, rows, dict(zip(assets, prices.tolist(), strict=True)))
    items = rows.instruments
    moves = np.array([items[i].nature.transfer for i in table.candidate], bool)
    bought = table.candidate[~moves]
    fee_terms = tuple(FeeTerms(account.fee_tier, maker) for account in book.accounts)
    terms = [fee_terms[rows.account[row]] for row in bought.tolist()]
    hedges = [items[i] for i in bought]
    cost = unit_cost(hedges, market, rows.notional[bought], mark_half_spread=mark_half_spread, terms=terms)
    sent = [items[i] for i in table.candidate[moves]]
    links = links_of(book, sent, np.flatnonzero(moves), assets, scenarios.horizon_days)
    worth = _worth(rows, bought, assets)
    depth, said = candidate_depth([items[i] for i in bought], market, rows.notional[bought], cost, worth, len(sent), terms)
    notes += said
    sending = sending_cost(sent, rows.notional[table.candidate[moves]])
    if cost.assumed.any():
        notes.append(
            f"half-spread of {1e4 * (mark_half_spread or 0):g} bp assumed for {many(int(cost.assumed.sum()), 'instrument')} "
            "that carry a mark and no quotes"
        )
    equity = collateral @ prices
    np.add.at(equity, rows.account, rows.quantity * rows.value)

    where = Place(tuple(account.venue for account in book.accounts), equity, paid_in_column(table.unique, risk, assets))
    same = stress is scenarios  # a book valued where nothing moves
    sample = revalue(table, market, scenarios, assets, collateral, prices, risk, where, keep_units=same)
    shock = sample if same else revalue(table, market, stress, assets, collateral, prices, risk, where, keep_units=True)
    stress_prices = np.tile(prices, (len(stress), 1))
    if not stress.still:
        for a, asset in enumerate(assets):
            stress_prices[:, a] *= stress.price_factor(asset)
    paused = np.array([items[row].venue in paused_venues for row in bought], bool)
    unwind_sell, unwind_buy = stress_unwind(
        items, market, stress, rows, mark_half_spread, notes, needed=trades or not holdings.lenient
    )
    margins = account_margins(
        book, market, rows, assets, prices, stress, shock.unit_pnl, Revaluer(tuple(table.unique), at, market)
    )
    if holdings.lenient:
        margins, said = without_missing(margins, [account.name for account in book.accounts], rows.quantity, collateral)
        notes += said
    shut = margins.unopened(rows.quantity, bought)
    notes += _unopened(margins, [items[row] for row in bought[shut]])
    paused = paused | shut
    shown = () if stress.still else stress.labels
    traded = [items[row] for row in bought]
    doubts = caveats(margins, collateral, traded, table.unique, shown, assets, market.timestamp, scenarios)
    notes += [*scenarios.notes, *(f"{venue} is halted: nothing trades there" for venue in paused_venues)]
    lower, upper = tradable(book, rows, bought, cost, paused, capacity(links, sent, collateral), depth)
    buy, sell = at_the_best(depth, np.append(cost.buy, sending), np.append(cost.sell, np.zeros(len(sent))))
    return Exposures(
        timestamp=market.timestamp,
        horizon_days=scenarios.horizon_days,
        assets=assets,
        prices=prices,
        accounts=tuple(account.name for account in book.accounts),
        venues=tuple(account.venue for account in book.accounts),
        chains=tuple(account.chain for account in book.accounts),
        counterparties=tuple(account.counterparty or account.venue for account in book.accounts),
        equity=equity,
        collateral=collateral,
        rows=rows,
        candidate=table.candidate,
        lower=lower,
        upper=upper,
        cost_buy=buy,
        cost_sell=sell,
        fee=np.append(cost.fee, sending),
        trade_greeks=trade_greeks(table.candidate, rows, where.paid_in[at[table.candidate]]),
        open_interest=market.columns["open_interest"][place[table.candidate]],
        base_pnl=sample.account_pnl.sum(axis=1),
        pnl=sample.pnl,
        probabilities=scenarios.probabilities,
        stress=stress.labels,
        stress_base=shock.account_pnl.sum(axis=1),
        stress_pnl=shock.pnl,
        stress_account_pnl=shock.account_pnl,
        stress_prices=stress_prices,
        links=links,
        margins=margins,
        market=market,
        notes=(*notes, *doubts),
        caveats=doubts,
        collateral_delta=collateral_delta,
        stress_unwind_sell=unwind_sell,
        stress_unwind_buy=unwind_buy,
        scenarios=scenarios,
        account_pnl=sample.account_pnl,
        tags=tuple(account.tags for account in book.accounts),
        depth=depth,
        flows=flows_of(book, assets, market.timestamp),
        mark_half_spread=mark_half_spread,
        fee_terms=fee_terms,
    )


def _worth(rows: Rows, bought: np.ndarray, assets: Sequence[str]) -> Worth:
    """USD of a unit of each of ``bought`` (n,), and by how much it moves when the index doubles."""
    option = np.array([rows.instruments[row].nature.option for row in bought.tolist()], bool)
    first = np.array([assets.index(rows.instruments[row].assets[0]) for row in bought.tolist()], np.int64)
    share = np.abs(rows.greeks[greek("delta"), bought, first]) * rows.index[bought]
    premium = rows.premium[bought] * rows.settlement_price[bought]
    return Worth(np.where(option, premium, rows.notional[bought]), np.where(option, share, rows.notional[bought]))


def _unopened(margins: Margins, items: Sequence[Any]) -> Iterator[str]:
    """What is not offered as a hedge, as its venue's margin table has no entry for its coin."""
    for venue in dict.fromkeys(item.venue for item in items):
        coins = list(dict.fromkeys(item.underlying for item in items if item.venue == venue))
        some = ", ".join(coins[:3]) + (", …" if len(coins) > 3 else "")
        yield (
            f"perpetuals and futures of {some} at {venue} are not opened: {venue}.toml has no margin tiers of "
            f"{'it' if len(coins) == 1 else 'them'} ([margin]; a limit on margin says which)"
        )


def _collateral(book: Book, market: MarketArrays, assets: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(C, A) amounts of collateral, and what they are worth in units of each asset's delta."""
    collateral = np.zeros((len(book.accounts), len(assets)))
    collateral_delta = np.zeros_like(collateral)
    for c, account in enumerate(book.accounts):
        for item in account.collateral:
            collateral[c, assets.index(item.asset)] += item.amount
            for column, slope in price_slopes(item.asset, market).items():
                collateral_delta[c, assets.index(column)] += item.amount * slope
    return collateral, collateral_delta


def _assets(book: Book, instruments: Sequence[Any], also: Sequence[str]) -> tuple[str, ...]:
    """Assets by first use, then others; dollar assets last, so that reports lead with what moves."""
    found: dict[str, None] = {}
    for item in instruments:
        for asset in item.assets:
            found[asset] = None
    for account in book.accounts:
        for item in account.collateral:
            found.update(dict.fromkeys((item.asset, *moved_by(item.asset))))
    found.update(dict.fromkeys(also))
    dollars = dollar_assets()
    return tuple(sorted(found, key=lambda asset: asset in dollars))


def _peg_notes(assets: Sequence[str], scenarios: ScenarioSet) -> list[str]:
    """Notes for readers where a token is held and its peg never moves."""
    held = []
    for token, underlying in (name.split("/") for name in assets if is_peg(name)):
        ratio = scenarios.pegged_factor(token, underlying) / scenarios.price_factor(underlying)
        if np.ptp(ratio) <= 1e-12:
            held.append(token)
    return [f"no scenario of {scenarios.name} moves the peg of {', '.join(held)}: give it under pegs"] if held else []
