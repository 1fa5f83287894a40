"""Faults, each injected alone into terms, limits, margin encodings, program, tail, certificate or the proposal's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.constraints import collateral_balance, equity_covers, margin_utilisation, participation, transfer_limit
from hedgeopt.constraints.limit import BoundUpper, Limit
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.carry import _BoundCarry
from hedgeopt.models.costs.transaction import _BoundCost
from hedgeopt.models.margin import bind
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
from hedgeopt.models.margin.deribit_standard import DeribitStandard
from hedgeopt.models.margin.hyperliquid import Hyperliquid
from hedgeopt.models.margin.margins import Margins
from hedgeopt.models.risk.concentration import _BoundConcentration
from hedgeopt.models.risk.cvar import _BoundCVaR
from hedgeopt.models.risk.greeks import _BoundGreek
from hedgeopt.models.risk.leverage import _BoundGrossLeverage
from hedgeopt.models.risk.stress import _BoundStress
from hedgeopt.models.risk.tenor_buckets import _BoundBucket
from hedgeopt.models.risk.true_leverage import _BoundNetLeverage, _BoundTrueLeverage
from hedgeopt.models.risk.variance import _BoundVariance
from hedgeopt.models.separable import Separable
from hedgeopt.program.box import Box
from hedgeopt.program.program import Program

from .worlds import desk_policy, network_policy

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """Where it is put, which world shows it (and under which policy), and how."""

    room: str
    world: str
    spoil: Callable[[Patch], None]
    policy: Callable[[], ho.Policy]


FAULTS: dict[str, Fault] = {}


def fault(room: str, world: str = "desk", **more: Any) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a fault by its docstring."""
    make = desk_policy if world == "desk" else network_policy

    def add(spoil: Callable[[Patch], None]) -> Callable[[Patch], None]:
        name = (spoil.__doc__ or "").rstrip(".")
        assert name not in FAULTS
        FAULTS[name] = Fault(room, world, spoil, lambda: make(**more))
        return spoil

    return add


def _term(patch: Patch, cls: type, change: Callable[[Exposures], Exposures], *methods: str) -> None:
    """Let a bound term see other exposures than there are."""
    for name in methods or ("update", "evaluate", "affine", "minorant"):
        whole = getattr(cls, name)
        patch.setattr(cls, name, lambda self, e, *args, _whole=whole: _whole(self, change(e), *args))


def _rows(e: Exposures, **more: Any) -> Exposures:
    return replace(e, rows=replace(e.rows, **more))


def _links(e: Exposures) -> np.ndarray:
    return np.isin(np.arange(e.n_candidates), e.links.candidate)


# ---------------------------------------------------------------------------------------------------------------- terms

FEW = [ho.Delta("BTC").within(-2.0, 2.0), ho.Gamma("BTC") >= -0.002, ho.OrderLimit(notional=2e7)]
"""So few limits that wrong Greeks can meet them."""


@fault("terms")
def cost_swapped(patch: Patch) -> None:
    """Costs of buying and selling swapped."""
    skewed = lambda e: replace(e, cost_buy=e.cost_sell * 1.2, cost_sell=e.cost_buy * 0.8)  # noqa: E731
    _term(patch, _BoundCost, skewed)


@fault("terms")
def fee_dropped(patch: Patch) -> None:
    """Fees left out of the cost."""
    _term(patch, _BoundCost, lambda e: replace(e, cost_buy=e.cost_buy - e.fee, cost_sell=e.cost_sell - e.fee))


@fault("terms")
def cost_halved(patch: Patch) -> None:
    """Half of the cost."""
    _term(patch, _BoundCost, lambda e: replace(e, cost_buy=0.5 * e.cost_buy, cost_sell=0.5 * e.cost_sell))


@fault("terms", "network")
def transfers_free(patch: Patch) -> None:
    """Transfers cost nothing."""
    _term(patch, _BoundCost, lambda e: replace(e, cost_buy=np.where(_links(e), 0.0, e.cost_buy)))


@fault("terms")
def carry_sign(patch: Patch) -> None:
    """Carry with the wrong sign."""
    _term(patch, _BoundCarry, lambda e: _rows(e, carry=-e.rows.carry))


@fault("terms")
def carry_horizon(patch: Patch) -> None:
    """Carry over an hour instead of the horizon."""
    _term(patch, _BoundCarry, lambda e: replace(e, horizon_days=e.horizon_days / 24))


@fault("terms", subject_to=FEW)
def cvar_sign(patch: Patch) -> None:
    """P&L of trades with the wrong sign in CVaR."""
    _term(patch, _BoundCVaR, lambda e: replace(e, pnl=-e.pnl))


@fault("terms")
def cvar_scenarios(patch: Patch) -> None:
    """The worst twentieth of the scenarios dropped from CVaR."""

    def without(e: Exposures) -> Exposures:
        base, pnl = e.base_pnl.copy(), e.pnl.copy()
        worst, best = np.argsort(base)[:40], int(np.argmax(base))
        base[worst], pnl[worst] = base[best], pnl[best]
        return replace(e, base_pnl=base, pnl=pnl)

    _term(patch, _BoundCVaR, without)


@fault("terms")
def cvar_probabilities(patch: Patch) -> None:
    """Scenario probabilities that are not the sample's."""

    def tilted(e: Exposures) -> Exposures:
        p = np.linspace(0.2, 1.8, len(e.base_pnl))
        return replace(e, probabilities=p / p.sum())

    _term(patch, _BoundCVaR, tilted, "evaluate", "minorant")


@fault("terms")
def cvar_level(patch: Patch) -> None:
    """CVaR at another level."""
    whole = _BoundCVaR.__init__
    patch.setattr(_BoundCVaR, "__init__", lambda self, trades, e, beta: whole(self, trades, e, 0.5))


@fault("terms")
def cvar_book(patch: Patch) -> None:
    """CVaR of the trades without the book."""
    _term(patch, _BoundCVaR, lambda e: replace(e, base_pnl=0.3 * e.base_pnl))


@fault("terms", minimize=ho.TransactionCost() + 1e-6 * ho.Variance(), subject_to=[ho.OrderLimit(notional=1e6)])
def variance_halved(patch: Patch) -> None:
    """Half of the variance."""
    _term(patch, _BoundVariance, lambda e: replace(e, pnl=e.pnl * 0.7, base_pnl=e.base_pnl * 0.7))


@fault("terms", subject_to=FEW)
def delta_coins(patch: Patch) -> None:
    """Posted coins left out of delta."""
    nothing = lambda e: np.zeros_like(e.collateral)  # noqa: E731
    _term(patch, _BoundGreek, lambda e: replace(e, collateral_delta=nothing(e)))


@fault("terms", subject_to=FEW)
def delta_sign(patch: Patch) -> None:
    """Greeks of trades with the wrong sign."""
    _term(patch, _BoundGreek, lambda e: replace(e, trade_greeks=-e.trade_greeks))


@fault("terms")
def delta_premium(patch: Patch) -> None:
    """Premium legs of trades left out of delta."""
    _term(patch, _BoundGreek, lambda e: replace(e, trade_greeks=e.rows.greeks[:, e.candidate]))


@fault("terms", subject_to=FEW)
def gamma_doubled(patch: Patch) -> None:
    """Gammas twice too large."""
    factor = np.array([1, 2, 1, 1, 1, 1, 1.0])[:, None, None]
    _term(patch, _BoundGreek, lambda e: replace(e, trade_greeks=e.trade_greeks * factor))


@fault("terms", subject_to=FEW)
def greeks_of_the_other_coin(patch: Patch) -> None:
    """Greeks read from the neighbour's column."""
    _term(patch, _BoundGreek, lambda e: replace(e, trade_greeks=np.roll(e.trade_greeks, 1, axis=2)))


@fault("terms")
def stress_scenario(patch: Patch) -> None:
    """Another stress scenario than the one named."""
    shift = lambda e: replace(e, stress_pnl=np.roll(e.stress_pnl, 1, 0), stress_base=np.roll(e.stress_base, 1))  # noqa: E731
    _term(patch, _BoundStress, shift)


@fault("terms")
def stress_book(patch: Patch) -> None:
    """Stress loss of the trades with half of the book."""
    _term(patch, _BoundStress, lambda e: replace(e, stress_base=0.5 * e.stress_base))


@fault("terms", subject_to=[*desk_policy().subject_to, ho.GrossLeverage() <= 1.6])
def leverage_equity(patch: Patch) -> None:
    """Leverage over twice the equity."""
    _term(patch, _BoundGrossLeverage, lambda e: replace(e, equity=2.0 * e.equity))


@fault("terms", subject_to=[*desk_policy().subject_to, ho.GrossLeverage() <= 1.6])
def leverage_held(patch: Patch) -> None:
    """Leverage of the trades alone."""
    _term(patch, _BoundGrossLeverage, lambda e: _rows(e, quantity=np.zeros(len(e.rows))))


@fault("terms", subject_to=[*desk_policy().subject_to, ho.TrueLeverage() <= 4.0])
def true_leverage_collateral(patch: Patch) -> None:
    """True leverage without what is supplied."""
    _term(patch, _BoundTrueLeverage, lambda e: replace(e, collateral=0.0 * e.collateral))


@fault("terms", "network")
def net_leverage_prices(patch: Patch) -> None:
    """Net leverage at a tenth of the prices."""
    _term(patch, _BoundNetLeverage, lambda e: replace(e, prices=0.1 * e.prices))


@fault("terms", "network")
def concentration_equity(patch: Patch) -> None:
    """Concentration over twice the equity."""
    half = lambda e: replace(e, prices=0.5 * e.prices)  # noqa: E731
    _term(patch, _BoundConcentration, half)


@fault("terms", subject_to=[*desk_policy().subject_to, ho.VegaBucket("BTC", 30.0).within(-500.0, 500.0)])
def bucket_units(patch: Patch) -> None:
    """Vega buckets a hundred times too small."""
    _term(patch, _BoundBucket, lambda e: _rows(e, greeks=0.01 * e.rows.greeks))


# --------------------------------------------------------------------------------------------------------------- limits


def _without(patch: Patch, side: str) -> None:
    whole = Limit.bind
    other = {"lower": "upper", "upper": "lower"}[side]

    def bind(self: Limit, *args: Any, **more: Any) -> Any:
        kept = self if getattr(self, other) is None else self.model_copy(update={side: None})
        return whole(kept, *args, **more)

    patch.setattr(Limit, "bind", bind)


@fault("limits")
def lower_dropped(patch: Patch) -> None:
    """The lower side of bands dropped."""
    _without(patch, "lower")


@fault("limits")
def upper_dropped(patch: Patch) -> None:
    """The upper side of bands dropped."""
    _without(patch, "upper")


@fault("limits")
def limit_loose(patch: Patch) -> None:
    """Limits a tenth looser than asked."""
    whole, upper = Limit._rows, BoundUpper.upper.fget
    loose = lambda row: replace(row, limit=row.limit + 0.1 * row.sign * abs(row.limit))  # noqa: E731
    patch.setattr(Limit, "_rows", lambda *args: [loose(row) for row in whole(*args)])
    patch.setattr(BoundUpper, "upper", property(lambda self: upper(self) + 0.1 * abs(upper(self))))


@fault("limits")
def order_limit_ignored(patch: Patch) -> None:
    """Order limits ignored."""
    silent = lambda self, e: (np.full(e.n_candidates, -np.inf), np.full(e.n_candidates, np.inf))  # noqa: E731
    patch.setattr(ho.OrderLimit, "box", silent)


@fault("limits")
def participation_ignored(patch: Patch) -> None:
    """Participation a hundred times too large."""
    whole = ho.Participation.box
    patch.setattr(ho.Participation, "box", lambda self, e: tuple(100.0 * side for side in whole(self, e)))
    for name in ("bind",):
        if hasattr(participation, name):
            patch.delattr(participation, name)


@fault("limits", subject_to=[*desk_policy().subject_to, ho.PositionLimit(notional=1e6, only=("BTC-PERPETUAL",))])
def position_limit_held(patch: Patch) -> None:
    """Position limits that forget what is held."""
    whole = ho.PositionLimit.box
    patch.setattr(ho.PositionLimit, "box", lambda self, e: whole(self, _rows(e, quantity=np.zeros(len(e.rows)))))


@fault("limits")
def margin_share(patch: Patch) -> None:
    """Margin limits half as large again."""
    whole = margin_utilisation.MarginUtilisation.forms
    larger = lambda self, e: whole(self.model_copy(update={"limit": 1.5 * self.limit}), e)  # noqa: E731
    patch.setattr(margin_utilisation.MarginUtilisation, "forms", larger)


@fault("limits", subject_to=[ho.MarginUtilisation(limit=0.9, buffer=700_000.0), *desk_policy().subject_to[:5]])
def margin_buffer(patch: Patch) -> None:
    """The buffer of margin limits dropped."""
    whole = margin_utilisation.MarginUtilisation.forms
    without = lambda self, e: whole(self.model_copy(update={"buffer": 0.0}), e)  # noqa: E731
    patch.setattr(margin_utilisation.MarginUtilisation, "forms", without)


@fault("limits", "network")
def margin_accounts(patch: Patch) -> None:
    """Margin limits on the last account only."""
    whole = margin_utilisation.matching_accounts
    patch.setattr(margin_utilisation, "matching_accounts", lambda *args: whole(*args)[-1:])


@fault("limits", "network")
def costs_not_paid(patch: Patch) -> None:
    """Equity not reduced by costs."""
    free = lambda e, account: (np.zeros(e.n_candidates), np.zeros(e.n_candidates))  # noqa: E731
    patch.setattr(equity_covers, "account_cost", free)


@fault("limits", "network")
def stress_pnl_of_trades(patch: Patch) -> None:
    """Equity after a stress with twice the trades' P&L."""
    whole = equity_covers.equity_effect
    patch.setattr(equity_covers, "equity_effect", lambda *args: 2.0 * whole(*args))


@fault("limits", "network")
def transfers_arrive_twice(patch: Patch) -> None:
    """Transfers that arrive twice."""
    whole = equity_covers.equity_effect

    def twice(e: Exposures, *args: Any) -> np.ndarray:
        found = whole(e, *args)
        return np.where(_links(e) & (found > 0), 2.0 * found, found)

    patch.setattr(equity_covers, "equity_effect", twice)


@fault("limits", "network", subject_to=[ho.TransferLimit(usd=30_000.0, bridge="across"), *network_policy().subject_to])
def transfer_limit_ignored(patch: Patch) -> None:
    """Transfer limits that see no link."""
    patch.setattr(transfer_limit.TransferLimit, "weights", lambda self, e: np.zeros(e.n_candidates))


@fault("limits", "network")
def stress_of_now(patch: Patch) -> None:
    """Survival of a stress that is half as bad."""
    whole = equity_covers.Cover.start
    patch.setattr(equity_covers.Cover, "start", lambda self, e: whole(self, e) + 1e5 * (self.stress is not None))


@fault("limits", "network", subject_to=[*network_policy().subject_to, ho.TransferLimit(usd=10.0)])
def balance_dropped(patch: Patch) -> None:
    """Collateral balances left out of the program."""
    patch.setattr(collateral_balance.CollateralBalance, "rows", lambda self, e: [])


# ----------------------------------------------------------------------------------------------------- margin encodings


def _encoding(patch: Patch, cls: type, change: Callable[[Any], Any]) -> None:
    whole = cls.encode  # type: ignore[attr-defined]
    patch.setattr(cls, "encode", lambda self, *args: change(whole(self, *args)))


@fault("margin encodings")
def standard_halved(patch: Patch) -> None:
    """Half of Deribit's standard margin."""
    _encoding(patch, DeribitStandard, lambda encoding: encoding.scaled(0.5))


@fault("margin encodings")
def standard_short(patch: Patch) -> None:
    """Short options without margin."""
    _encoding(patch, DeribitStandard, lambda encoding: replace(encoding, short=0.0 * encoding.short))


@fault("margin encodings")
def standard_larger(patch: Patch) -> None:
    """Deribit's standard margin three per cent too large."""
    _encoding(patch, DeribitStandard, lambda encoding: encoding.scaled(1.03))


def _tight(portfolio: float = 0.3) -> list[Any]:
    return [ho.MarginUtilisation(account="house", limit=0.05), *network_policy().subject_to]


@fault("margin encodings", "network", subject_to=_tight())
def portfolio_blocks(patch: Patch) -> None:
    """Portfolio margin without its scenarios."""
    _encoding(patch, DeribitPortfolio, lambda encoding: replace(encoding, blocks=()))


@fault("margin encodings", "network", subject_to=_tight())
def portfolio_scenarios(patch: Patch) -> None:
    """Portfolio margin without its far scenarios."""

    def near(encoding: Any) -> Any:
        blocks = [
            replace(b, groups=tuple(replace(g, lines=g.lines[10:14], constants=g.constants[10:14]) for g in b.groups))
            if "scenario" in b.name else b
            for b in encoding.blocks
        ]  # fmt: skip
        return replace(encoding, blocks=tuple(blocks))

    _encoding(patch, DeribitPortfolio, near)


@fault(
    "margin encodings", "network", subject_to=[ho.MarginUtilisation(account="poor", limit=0.1), *network_policy().subject_to]
)
def tiers_halved(patch: Patch) -> None:
    """Half of Hyperliquid's tiers."""
    _encoding(patch, Hyperliquid, lambda encoding: replace(encoding, slopes=0.5 * encoding.slopes))


@fault(
    "margin encodings",
    "network",
    subject_to=[ho.SurviveStress(scenarios=("2020-03-12",), utilisation=0.5, buffer=20_000.0), *network_policy().subject_to],
)
def stress_encoding(patch: Patch) -> None:
    """Maintenance after a stress a tenth of what it is."""
    whole = Margins.encoding

    def less(self: Margins, account: int, kind: Any, stress: int | None = None, **more: Any) -> Any:
        return whole(self, account, kind, stress, **more).scaled(1.0 if stress is None else 0.1)

    patch.setattr(Margins, "encoding", less)


@fault("margin encodings")
def margin_minorant(patch: Patch) -> None:
    """A lower bound of margin that is not below it."""
    whole = bind.BoundEncoding.minorant
    patch.setattr(bind.BoundEncoding, "minorant", lambda self, e, x: whole(self, e, x).scaled(1.5))


# -------------------------------------------------------------------------------------------------------------- program


def _after_solving(patch: Patch, change: Callable[[Program, np.ndarray], np.ndarray]) -> None:
    whole = Program.x
    patch.setattr(Program, "x", lambda self: change(self, whole(self)))


@fault("program")
def trades_scaled(patch: Patch) -> None:
    """Trades one per cent too large."""
    _after_solving(patch, lambda program, x: 1.01 * x)


@fault("program")
def trades_negated(patch: Patch) -> None:
    """Buys and sells swapped."""
    _after_solving(patch, lambda program, x: -x)


@fault("program")
def largest_trade_lost(patch: Patch) -> None:
    """The largest trade lost."""
    _after_solving(patch, lambda program, x: np.where(np.abs(x) == np.abs(x).max(), 0.0, x))


@fault("program")
def half_the_trades(patch: Patch) -> None:
    """Half of every trade."""
    _after_solving(patch, lambda program, x: 0.5 * x)


@fault("program", subject_to=[*desk_policy().subject_to[:7]], candidates=ho.Candidates(max_order_notional=900_000.0))
def box_too_wide(patch: Patch) -> None:
    """The largest order ten times the policy's."""
    import hedgeopt.program.certified as solve

    whole = solve.trade_box
    wide = lambda box: Box(10 * box.lower, 10 * box.upper, box.lower_from, box.upper_from, box.names)  # noqa: E731
    patch.setattr(solve, "trade_box", lambda policy, e: wide(whole(policy, e)))


@fault("program")
def term_dropped(patch: Patch) -> None:
    """The first term of the objective dropped."""
    whole = Program._term
    init = Program.__init__

    def without(self: Program, policy: ho.Policy, e: Exposures, **more: Any) -> None:
        init(self, policy.model_copy(update={"minimize": policy.minimize[1:]}), e, **more)

    patch.setattr(Program, "__init__", without)
    assert whole is Program._term


@fault("program")
def weight_wrong(patch: Patch) -> None:
    """A weight of the objective three times too large."""
    init = Program.__init__

    def heavier(self: Program, policy: ho.Policy, e: Exposures, **more: Any) -> None:
        parts = [policy.minimize[0], policy.minimize[1].model_copy(update={"weight": 3 * policy.minimize[1].weight})]
        init(self, policy.model_copy(update={"minimize": (*parts, *policy.minimize[2:])}), e, **more)

    patch.setattr(Program, "__init__", heavier)


@fault("program")
def limits_dropped(patch: Patch) -> None:
    """A limit of the policy left out."""
    init = Program.__init__

    def fewer(self: Program, policy: ho.Policy, e: Exposures, **more: Any) -> None:
        init(self, policy.model_copy(update={"subject_to": policy.subject_to[1:]}), e, **more)

    patch.setattr(Program, "__init__", fewer)


# ------------------------------------------------------------------------------------------------- tail and certificate


def _solved(patch: Patch, change: Callable[[cp.Problem], None]) -> None:
    whole = cp.Problem.solve

    def solve(self: cp.Problem, *args: Any, **more: Any) -> Any:
        found = whole(self, *args, **more)
        change(self)
        return found

    patch.setattr(cp.Problem, "solve", solve)


def _duals(problem: cp.Problem, factor: float) -> None:
    for row in problem.constraints:
        for dual in row.dual_variables:
            if dual.value is not None:
                dual.save_value(factor * np.asarray(dual.value))


@fault("tail")
def duals_negative(patch: Patch) -> None:
    """Shadow prices with the wrong sign."""
    _solved(patch, lambda problem: _duals(problem, -1.0))


@fault("tail")
def duals_large(patch: Patch) -> None:
    """Shadow prices ten times too large."""
    _solved(patch, lambda problem: _duals(problem, 10.0))


@fault("tail")
def duals_lost(patch: Patch) -> None:
    """Shadow prices lost."""
    _solved(patch, lambda problem: _duals(problem, 0.0))


@fault("tail")
def stopped_early(patch: Patch) -> None:
    """The solver returns a feasible point that is not the best."""

    def costlier(problem: cp.Problem) -> None:
        by_name = {v.name(): v for v in problem.variables()}
        buy = by_name["buy"].value.copy()
        buy[int(np.argmax((buy > 1e-9) & (buy < 0.9)))] += 0.05
        by_name["buy"].save_value(buy)

    _solved(patch, costlier)


@fault("tail")
def tail_weights(patch: Patch) -> None:
    """Tail weights that are not the worst scenarios'."""
    import hedgeopt.program.certified as solve

    whole = solve._run

    def other(*args: Any) -> Any:
        statistics = dict(whole(*args))
        rolled = [SimpleNamespace(atom=record.atom, weights=np.roll(record.weights, 7)) for record in statistics["tails"]]
        return {**statistics, "tails": rolled}

    patch.setattr(solve, "_run", other)


@fault("certificate")
def bound_is_the_value(patch: Patch) -> None:
    """The lower bound taken at the trades instead of the minimum."""
    _after_solving(patch, lambda program, x: np.where(np.arange(len(x)) == 3, x + 5.0, x))
    patch.setattr(Separable, "minimum", lambda self, lower, upper: 2.0e4)


@fault("certificate")
def feasibility_loose(patch: Patch) -> None:
    """Limits judged to one per cent, trades half a per cent beyond them."""
    import hedgeopt.program.certificate as certificate

    patch.setattr(certificate, "allowance", lambda side, share=0.01: 0.01 * abs(side.limit))
    _after_solving(patch, lambda program, x: 0.999 * x)


# ------------------------------------------------------------------------------------------------------------- proposal


def _told(patch: Patch, column: str, change: Callable[[Any], Any]) -> None:
    import hedgeopt.program.assemble as proposal

    whole = proposal.trades_table

    def wrong(*args: Any) -> Any:
        frame = whole(*args)
        frame[column] = change(frame[column])
        return frame

    patch.setattr(proposal, "trades_table", wrong)


@fault("proposal")
def quantities_rounded(patch: Patch) -> None:
    """Quantities rounded after the certificate."""
    _told(patch, "quantity", lambda column: column.round(0).clip(lower=1.0))


@fault("proposal")
def prices_of_the_mark(patch: Patch) -> None:
    """Prices a basis point from the quotes."""
    _told(patch, "price", lambda column: column * 1.0001)


@fault("proposal")
def sides_wrong(patch: Patch) -> None:
    """Every trade listed as a buy."""
    _told(patch, "side", lambda column: "buy")


@fault("proposal")
def trades_left_out(patch: Patch) -> None:
    """Small trades left out of the list."""
    import hedgeopt.program.assemble as proposal

    whole = proposal.trades_table
    patch.setattr(proposal, "trades_table", lambda *args: whole(*args).iloc[:-1])
