"""The loop over snapshots: accrue, settle, mark, liquidate, take the flow, decide, trade, record.

Only the present snapshot and what was recorded before it exist when a policy decides; the next one is asked for afterwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from hedgeopt.backtest.accruals import accrue, mark_futures
from hedgeopt.backtest.assumptions import Settings
from hedgeopt.backtest.between import between, moments_between
from hedgeopt.backtest.books.source import BookSource
from hedgeopt.backtest.desk import Desk
from hedgeopt.backtest.execution import execute, part_of, send
from hedgeopt.backtest.judge import Stated, judged
from hedgeopt.backtest.ledger import Ledger
from hedgeopt.backtest.liquidation import breached, liquidate_account
from hedgeopt.backtest.opening import refuse_uncovered, refuse_unknown_names, unknown_margins
from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.protocol import Decision, Observation, Order, Strategy
from hedgeopt.backtest.portfolio import Fill, Portfolio
from hedgeopt.backtest.quotes import NoQuote
from hedgeopt.backtest.record import Recorder
from hedgeopt.backtest.replay import in_order
from hedgeopt.backtest.result import BacktestResult
from hedgeopt.backtest.sanity import problem_within, without_false_quotes
from hedgeopt.backtest.settlement import IndexHistory, settle
from hedgeopt.backtest.snapshot import Snapshot
from hedgeopt.backtest.valuation import Promise, Valuation, moved_assets, value, value_in
from hedgeopt.backtest.venue_rules import rules_caveats
from hedgeopt.errors import CertificateError, InfeasibleError, InputError
from hedgeopt.exposures.resolve import resolve
from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.caveats import table_caveats
from hedgeopt.models.costs.quotes import fee_parameters
from hedgeopt.models.pricing.instrument import has
from hedgeopt.models.scenarios.draw import draw

__all__ = ["simulate"]


@strict_call
def simulate(
    markets: Iterable[Market],
    book: BookSource,
    policy: Strategy | Policy,
    settings: Settings | None = None,
    *,
    config: dict[str, Any] | None = None,
    progress: Callable[[Market], None] | None = None,
    opened: Callable[[Book, Market], None] | None = None,
) -> BacktestResult:
    """Run one policy on one book over the snapshots.

    ``opened`` is called with the book and the market of the first step; it may refuse them.
    ``policy`` is any object with ``decide(state)``, or a :class:`hedgeopt.Policy`: the myopic optimizer.

    Raises
    ------
    InputError
        For snapshots out of order, an empty period, a first snapshot that contradicts itself, a book that its collateral
        does not carry at the start, or a held instrument that was never quoted.
    """
    if isinstance(policy, Policy):
        from hedgeopt.backtest.policies.optimizer import Optimizer

        policy = Optimizer(policy)
    going = _Run(book, policy, settings or Settings(), opened)
    told = getattr(markets, "told", None)
    for market in in_order(markets):
        going.step(market, () if told is None else told())
        if progress is not None:
            progress(market)
    horizon = going.settings.scenarios.horizon_days
    if going.settings.promise == "policy":
        horizon = getattr(policy, "horizon_days", horizon)
    said = {"horizon_days": horizon, **(config or {})}
    if hasattr(policy, "chosen"):
        said["chosen"] = policy.chosen
    name = getattr(policy, "name", type(policy).__name__)
    going.recorder.events += going.passed_over
    return going.recorder.result(going.portfolio.ledger.frame(), said, name, going.portfolio.name)


_FEW = 50
_QUARTER = pd.Timedelta(minutes=15)
_CALL = ("close_factor", "close_factor_health", "min_base", "min_leftover")
"""What a liquidation call of a lending account reads."""


class _Run:
    portfolio: Portfolio
    book: Book

    def __init__(
        self,
        book: BookSource,
        policy: Strategy,
        settings: Settings,
        opened: Callable[[Book, Market], None] | None = None,
    ) -> None:
        self.opened = opened
        follow = getattr(policy, "follow", None)
        if follow is not None:  # it tries policies on paper, with a small sample for promises
            few = settings.scenarios.model_copy(update={"count": min(settings.scenarios.count, _FEW)})
            paper = replace(settings, scenarios=few)
            follow(lambda strategy: _Run(book, strategy, paper))
        self.source, self.policy, self.settings = book, policy, settings
        self.desk, self.recorder = Desk(), Recorder()
        self.history = IndexHistory(settings.index, settings.sanity)
        self.before: Market | None = None
        self.valued: tuple[Market, Valuation] | None = None
        self.number = 0
        self.passed_over: list[dict[str, Any]] = []
        self.stated: Stated | None = None
        self.resting: list[tuple[Order, float]] = []
        self.doubted: Market | None = None

    def step(self, snapshot: Market, faults: Sequence[dict[str, Any]] = ()) -> None:
        """Everything that happens at one snapshot; ``faults`` are events of its reading."""
        snapshot = Snapshot.of(snapshot)
        self.passed_over += faults
        if self._passes_over(snapshot):
            return
        due = None if self.stated is None else judged(self.stated, snapshot.timestamp, self.history.frame)
        self.history.add(snapshot)
        snapshot, refused = without_false_quotes(snapshot, self.settings.sanity)
        snapshot = Snapshot.of(snapshot)
        self.events: list[dict[str, Any]] = [*self.passed_over, *refused]
        self.passed_over = []
        first = self.before is None
        start = self.recorder.mark(Ledger() if first else self.portfolio.ledger)
        if first:
            if self.settings.warm_up is not None:
                self.history.warm(self.settings.warm_up, snapshot.timestamp)
            book = self.source.open(snapshot)
            refuse_unknown_names(self.settings, self.policy, book, snapshot)
            if self.opened is not None:
                self.opened(book, snapshot)
            self.portfolio = Portfolio(book, snapshot)
        self._halts(snapshot)
        days = 0.0
        fills: list[Fill] = []
        if self.before is not None:
            days = (snapshot.timestamp - self.before.timestamp).total_seconds() / 86_400.0
            last, fills = self._on_the_way(self.before, snapshot.timestamp)
            self.portfolio.receive(snapshot)
            accrue(self.portfolio, last, snapshot)
            self.events += settle(self.portfolio, snapshot, self.history)
        market, stale = self.desk.view(snapshot, self.portfolio.held())
        market = Snapshot.of(market)
        self.events += stale
        mark_futures(self.portfolio, market)
        self.market = market
        valuation = self._worth()
        self.events += unknown_margins(valuation, self.settings.unknown_margin == "not counted")
        if first:
            self.events += refuse_uncovered(valuation)
        liquidated = bool(fills)
        for name in breached(self.portfolio, valuation):
            done, events = liquidate_account(self.portfolio, name, market, self._worth, self.settings.mark_half_spread)
            fills, liquidated = fills + done, True
            self.events += events
            valuation = self._worth()
        fills += self._came_to(market)
        valuation = self._worth()
        flowed = self._flow(market, days)
        if flowed:
            fills += flowed
            valuation = self._worth()
        began = time.perf_counter()
        watch = getattr(self.policy, "watch", None)
        if watch is not None:
            watch(snapshot)
        decision = self._decide(market, valuation)
        seconds = time.perf_counter() - began
        promise = decision.promise if self.settings.promise == "policy" else None
        after = self._worth if promise is not None else self._promised
        orders = self._rests(market, decision.orders)
        done, events, valuation = execute(
            self.portfolio, market, orders, valuation, after, self.settings.mark_half_spread, rules=self.settings.fills
        )
        self.events += [*decision.events, *events, *send(self.portfolio, market, decision.transfers)]
        fills += done
        if decision.transfers or (promise is None and not done):
            valuation = after()
        promise = promise or valuation.promise(self.settings.beta)
        self.recorder.record(
            market, self.before, self.portfolio, valuation, fills, promise, start, seconds, liquidated,
            [{"timestamp": market.timestamp, **event} for event in self.events], due,
        )  # fmt: skip
        self.stated = self._stated(market, promise, decision)
        self._doubt(market, valuation, fills)
        held = self.portfolio.held()
        self.desk.remember(market, held, frozenset(key for key in held if key not in snapshot.instruments))
        self.before = market
        self.number += 1

    def _on_the_way(self, before: Market, now: datetime) -> tuple[Market, list[Fill]]:
        """Liquidations at the recorded index's moments before ``now``; the market that interest was last booked at."""
        last, fills = before, list[Fill]()
        for stamp, row in moments_between(self.settings.index, before.timestamp, now).iterrows():
            moment = stamp.to_pydatetime()
            seconds = (moment - before.timestamp).total_seconds()
            prices = {str(asset): float(price) for asset, price in row.items() if asset in before.prices and price > 0}
            prices = {a: p for a, p in prices.items() if self.settings.sanity.moves(p / before.prices[a], seconds)}
            if not prices:
                continue
            market = Snapshot.of(between(before, moment, prices, self.portfolio.held()))
            self.portfolio.receive(market)
            accrue(self.portfolio, last, market)
            self.events += settle(self.portfolio, market, self.history)
            self.market = last = market
            mark_futures(self.portfolio, market)
            for name in breached(self.portfolio, self._worth()):
                done, events = liquidate_account(self.portfolio, name, market, self._worth, self.settings.mark_half_spread)
                fills += done
                self.events += [{**event, "between_snapshots": True} for event in events]
        return last, fills

    def _stated(self, market: Market, promise: Promise, decision: Decision) -> Stated:
        """What the step that now begins will be judged by."""
        own = self.settings.promise == "policy" and decision.promise is not None
        default = self.settings.scenarios.horizon_days
        stated = getattr(decision.scenarios, "horizon_days", getattr(self.policy, "horizon_days", default))
        return Stated(
            self.portfolio.book(market.timestamp),
            market,
            promise,
            float(stated if own else default),
            decision.scenarios if own else self.settings.scenarios,
            own,
        )

    def _doubt(self, market: Market, valuation: Valuation, fills: Sequence[Fill]) -> None:
        """Keep what is unverified or out of date among the numbers that this step rested on."""
        on, found = market.timestamp.date(), list(valuation.exposures.caveats)
        for fill in fills:
            venue = self.portfolio.accounts[fill.account].venue
            item = market.instruments.get(f"{venue}:{fill.instrument}")
            if item is not None:
                found += table_caveats(tuple((venue, name) for name in fee_parameters(item)), on)
        for event in self.events:
            where = self.portfolio.accounts.get(event.get("account", ""))
            if where is not None and event["kind"] == "liquidation":
                found += rules_caveats("liquidation", where.venue, on)
                if event.get("lending"):
                    found += table_caveats(tuple(("aave", f"liquidation.{name}") for name in _CALL), on)
            elif where is not None and event["kind"] == "settlement":
                found += rules_caveats("delivery", where.venue, on)
        self.recorder.caveats |= dict.fromkeys(found)

    def _passes_over(self, snapshot: Market) -> bool:
        """Whether nothing may happen at this snapshot: its index contradicts itself, or jumps and is not confirmed yet."""
        problem = problem_within(snapshot) or self._unpriced(snapshot)
        if problem is not None and self.before is None:
            fix = "start at a moment whose index, forwards and marks agree"
            raise InputError(f"{problem}: no book can be opened on it", file=snapshot.source, field="index_price", fix=fix)
        if problem is None and self.before is not None:
            problem, doubted = self.settings.sanity.jump(snapshot, self.before), self.doubted
            self.doubted = None
            if problem is not None:
                if doubted is not None and self.settings.sanity.jump(snapshot, doubted) is None:
                    return False
                self.doubted = snapshot
        if problem is None:
            self._other_index(snapshot)
            return False
        message = f"{problem}: nothing is valued, settled, liquidated or traded at this snapshot"
        self.passed_over.append({"timestamp": snapshot.timestamp, "kind": "implausible_market", "message": message})
        return True

    def _unpriced(self, snapshot: Market) -> str | None:
        """One line on an asset that the book holds, or that what it holds is priced by, without a price here."""
        if self.before is None:
            return None
        needed = list(self.portfolio.ledger.assets())
        for one in self.portfolio.holdings.values():
            needed += [*one.instrument.assets, *([one.instrument.settlement] if has(one.instrument, "settlement") else [])]
        for asset in dict.fromkeys(needed):
            try:
                snapshot.price(asset)
            except InputError:
                return f"no price of {asset}, which the book needs"
        return None

    def _other_index(self, snapshot: Market) -> None:
        """An event where the recorded index of the same quarter of an hour differs from the snapshot's."""
        recorded = self.settings.index
        if recorded is None:
            return
        now = pd.Timestamp(snapshot.timestamp)
        near = recorded[(recorded.index > now - _QUARTER) & (recorded.index <= now)]
        for asset in near.columns.intersection(list(snapshot.prices)):
            other = near[asset].dropna()
            if len(other) and other.iloc[-1] > 0:
                gap = snapshot.prices[asset] / float(other.iloc[-1]) - 1.0
                if abs(gap) > self.settings.index_gap:
                    said = f"index of {asset} is {gap:+.1%} off the recorded one of {other.index[-1].isoformat()}"
                    self.passed_over.append({"timestamp": snapshot.timestamp, "kind": "index_disagrees", "message": said})

    def _worth(self) -> Valuation:
        """The book as it stands, kept with its value until something changes it."""
        market, before = self.market, self.valued
        known = before[1] if before is not None and before[0] is market else None
        self.book = self.portfolio.book(market.timestamp)
        valuation = value(self.book, market, before=known)
        self.valued = market, valuation
        return valuation

    def _promised(self) -> Valuation:
        """With the scenarios of the promise."""
        market = self.market
        book = self.portfolio.book(market.timestamp)
        holdings = resolve(book, market)
        assets = moved_assets(holdings)
        if not assets:  # cash alone: nothing can be lost
            return value_in(holdings)
        with as_known(self.settings.scenarios, market.timestamp, self.history.frame) as known:
            return value_in(holdings, draw(known, assets, market))

    def _halts(self, market: Market) -> None:
        paused = frozenset(h.venue for h in self.settings.halts if h.start <= market.timestamp < h.end)
        for venue in sorted(paused - self.portfolio.paused):
            self.events.append({"kind": "halt", "venue": venue})
        for venue in sorted(self.portfolio.paused - paused):
            self.events.append({"kind": "resume", "venue": venue})
        self.portfolio.paused = paused

    def _rests(self, market: Market, orders: Sequence[Order]) -> list[Order]:
        """Orders that fill now; those of makers that rest are kept, at the near side, until the next snapshot."""
        if self.settings.fills.maker == "at once":
            return list(orders)
        now = []
        for order in orders:
            account = self.portfolio.accounts.get(order.account)
            if not order.maker or account is None or f"{account.venue}:{order.instrument}" not in market.instruments:
                now.append(order)  # what names nothing is refused like a taker's
                continue
            where = account.venue
            quantity, why = part_of(self.portfolio, market, order.account, order, self.settings.fills)
            if why:
                told = {"asked": order.quantity, "filled": quantity, "reason": why}
                event = {"kind": "partly_filled", "account": order.account, "instrument": order.instrument, **told}
                self.events.append(event)
            if not quantity:
                continue
            order = replace(order, quantity=quantity)
            near = float(
                market.quoted("bid_price" if order.quantity > 0 else "ask_price", [f"{where}:{order.instrument}"])[0]
            )
            if math.isfinite(near):
                self.resting.append((order, near))
            else:
                self.events.append({"kind": "missing_quote", "account": order.account, "instrument": order.instrument,
                                    "message": "has no near side for an order to rest at"})  # fmt: skip
        return now

    def _came_to(self, market: Market) -> list[Fill]:
        """Fills of resting orders whose price the other side has come to; the others are cancelled, and told."""
        found, resting, self.resting = list[Fill](), self.resting, []
        for order, price in resting:
            account = self.portfolio.accounts[order.account]
            key = f"{account.venue}:{order.instrument}"
            far = float(market.quoted("ask_price" if order.quantity > 0 else "bid_price", [key])[0])
            reached = math.isfinite(far) and (far <= price if order.quantity > 0 else far >= price)
            if not reached or account.venue in self.portfolio.paused:
                self.events.append({"kind": "maker_unfilled", "account": order.account, "instrument": order.instrument,
                                    "price": price, "quantity": order.quantity})  # fmt: skip
                continue
            found.append(
                self.portfolio.trade(market, order.account, order.instrument, order.quantity, "maker", maker=True, at=price)
            )
        return found

    def _flow(self, market: Market, days: float) -> list[Fill]:
        fills = []
        for trade in self.source.flow(market, self.book, self.number, days):
            if self.portfolio.accounts[trade.account].venue in self.portfolio.paused:
                continue
            try:
                fills.append(
                    self.portfolio.trade(
                        market, trade.account, trade.instrument, trade.quantity, "flow", edge=trade.edge,
                        half_spread=self.settings.mark_half_spread, charged=trade.edge is None,
                    )
                )  # fmt: skip
            except NoQuote as error:
                self.events.append({"kind": "missing_quote", "instrument": trade.instrument, "message": str(error)})
        return fills

    def _decide(self, market: Market, valuation: Valuation) -> Decision:
        """The policy's answer; where it has none the engine holds, and says so."""
        state = Observation(
            self.book,
            market,
            valuation,
            self.number,
            self.settings.mark_half_spread,
            self.history.frame,
        )
        try:
            answer = self.policy.decide(state)
        except InfeasibleError as error:
            return Decision(events=[{"kind": "infeasible", "message": str(error), "action": "hold"}])
        except CertificateError as error:
            return Decision(events=[{"kind": "fallback", "message": str(error), "action": "hold"}])
        except InputError as error:
            if error.field != "candidates":
                raise
            return Decision(events=[{"kind": "fallback", "message": str(error), "action": "hold"}])
        return answer if isinstance(answer, Decision) else Decision(orders=tuple(answer))
