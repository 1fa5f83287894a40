"""Policies for a first hedge, whose limits are derived from the book and the market: ``ho.presets.delta(book, market)``.

Every preset minimises trading cost and carry, and brings one kind of risk down. A limit is a share of today's exposure, so
that a preset asks for something and can be met; what is small stays as it is, within a band of the equity. Each returns an
ordinary :class:`~hedgeopt.inputs.policy.Policy`: print its TOML, change it, and keep it.

========== ==================================================================================================
preset      limits, per underlying with exposure
========== ==================================================================================================
delta       net delta within the larger of 10 % of today's and 2 % of equity in coins
delta_vega  the same, and net vega within the larger of 25 % of today's and 0.05 % of equity per vol point
tail        delta as above; CVaR 99 % over a day at most half of today's, and weighted 0.02 in the objective
crash       delta within 25 % of today's; every named crash at most half of today's loss or 10 % of equity
========== ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_call
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.carry import Carry
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.risk.cvar import CVaR
from hedgeopt.models.risk.greeks import Delta, Vega
from hedgeopt.models.risk.stress import StressLoss
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios

__all__ = ["PRESETS", "crash", "delta", "delta_vega", "tail"]

_DELTA, _DELTA_OF_EQUITY = 0.10, 0.02
_CRASH_DELTA = 0.25
_VEGA, _VEGA_OF_EQUITY = 0.25, 0.0005
_TAIL, _TAIL_WEIGHT = 0.5, 0.02
_LOSS, _LOSS_OF_EQUITY = 0.5, 0.10
_SCENARIOS = 10_000


@strict_call
def delta(book: Book, market: Market, *, band: float = _DELTA, seed: int = 0) -> Policy:
    """Net delta of each underlying near 0, by the cheapest trades.

    Parameters
    ----------
    band
        Share of today's net delta that may stay; never less than 2 % of equity.
    seed
        Of the scenarios in which the result is reported.

    Raises
    ------
    InputError
        Where book and market do not fit together, or the book has nothing to hedge.
    """
    e = _exposures(book, market, seed)
    return _policy("delta", e, [*_deltas(e, _share(band, "band"))], seed)


@strict_call
def delta_vega(book: Book, market: Market, *, band: float = _DELTA, vega_band: float = _VEGA, seed: int = 0) -> Policy:
    """Net delta and net vega of each underlying near 0; ``vega_band`` is the share of today's vega that may stay."""
    e = _exposures(book, market, seed)
    return _policy(
        "delta and vega", e, [*_deltas(e, _share(band, "band")), *_vegas(e, _share(vega_band, "vega_band"))], seed
    )


@strict_call
def tail(
    book: Book, market: Market, *, level: float = 0.99, share: float = _TAIL, weight: float = _TAIL_WEIGHT, seed: int = 0
) -> Policy:
    """CVaR at ``level`` over a day at most ``share`` of today's, and ``weight`` of it in the objective; delta near 0."""
    if not 0.5 <= level < 1.0:
        raise InputError("must be from 0.5 to below 1", field="tail: level", value=level, fix="such as 0.99")
    if not 0.0 <= weight <= 1e6:
        raise InputError("must be 0 or more", field="tail: weight", value=weight, fix="such as 0.02")
    e = _exposures(book, market, seed)
    today = CVaR(level)
    now = _cvar(e, level)
    limits: list[Any] = [*_deltas(e, _DELTA)]
    if now > 0.0:
        limits.append(today <= _round(max(_share(share, "share") * now, 0.001 * max(_equity(e), 0.0))))
    return _policy("tail", e, limits, seed, weight * today)


@strict_call
def crash(book: Book, market: Market, *, share: float = _LOSS, seed: int = 0) -> Policy:
    """Loss of every named crash at most ``share`` of today's, and never asked below 10 % of equity; delta near 0."""
    e = _exposures(book, market, seed)
    least = _LOSS_OF_EQUITY * max(_equity(e), 0.0)
    limits: list[Any] = [*_deltas(e, _CRASH_DELTA)]
    for name, usd in risk_report(e).stress.items():
        if -usd > least:
            limits.append(StressLoss(name) <= _round(max(_share(share, "share") * -usd, least)))
    return _policy("crash", e, limits, seed)


PRESETS: dict[str, Callable[..., Policy]] = {
    "delta": delta,
    "delta-vega": delta_vega,
    "tail": tail,
    "crash": crash,
}
"""By the names of ``hedgeopt solve --preset``."""


def _exposures(book: Book, market: Market, seed: int) -> Exposures:
    return expose(book, market, Policy(TransactionCost(), scenarios=_scenarios(seed)), trades=False)


def _scenarios(seed: int) -> ParametricScenarios:
    return ParametricScenarios(count=_SCENARIOS, seed=seed)


def _policy(name: str, e: Exposures, limits: list[Any], seed: int, *more: Any) -> Policy:
    if not limits:
        fix = "give a book with positions whose price moves, or write a policy: hedgeopt schema policy"
        raise InputError(f"holds nothing that the preset {name} would hedge", file="book", fix=fix)
    objective = TransactionCost() + Carry()
    for term in more:
        objective = objective + term
    return Policy(objective, limits, name=f"preset: {name}", candidates=Candidates(), scenarios=_scenarios(seed))


def _share(value: float, name: str) -> float:
    if not 0.0 <= value <= 1.0:
        raise InputError("must be a share from 0 to 1", field=name, value=value, fix="such as 0.1")
    return float(value)


def _equity(e: Exposures) -> float:
    return float(e.equity.sum())


def _underlyings(e: Exposures) -> list[str]:
    return [asset for asset in e.assets if asset not in dollar_assets() and not is_peg(asset)]


def _deltas(e: Exposures, band: float) -> list[Any]:
    report = risk_report(e).greeks
    found = []
    for asset in _underlyings(e):
        now = abs(report.get(asset, {}).get("delta", 0.0))
        least = _DELTA_OF_EQUITY * max(_equity(e), 0.0) / float(e.prices[e.asset(asset)])
        widest = _round(max(band * now, least))
        if now > 0.0 and widest > 0.0:
            found.append(Delta(asset).within(-widest, widest))
    return found


def _vegas(e: Exposures, band: float) -> list[Any]:
    report = risk_report(e).greeks
    found = []
    for asset in _underlyings(e):
        now = abs(report.get(asset, {}).get("vega", 0.0))
        widest = _round(max(band * now, _VEGA_OF_EQUITY * max(_equity(e), 0.0)))
        if now > 0.0 and widest > 0.0:
            found.append(Vega(asset).within(-widest, widest))
    return found


def _cvar(e: Exposures, level: float) -> float:
    from hedgeopt.models.risk.cvar import tail_loss

    return float(tail_loss(-e.base_pnl, level, e.probabilities))


def _round(value: float) -> float:
    """Three digits, upwards: a limit that people can read."""
    if value <= 0.0:
        return 0.0
    found = float(f"{value:.3g}")
    return found if found >= value else float(f"{value * 1.005:.3g}")
