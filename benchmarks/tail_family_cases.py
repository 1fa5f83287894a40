"""Instances of the tail family: drawn by seed over recorded chains and factor portfolios, whole programs as plain arrays.

An instance is ``min mu'x + cost'|x| + sum_k weight_k CVaR_k(-P_k x - base_k) + x'Qx / 2`` over ``|x| <= size`` (or
``x >= 0``), ``lower <= G x <= upper``, ``CVaR_j <= budget_j``, ``|F x| <= radius`` and integers. Needs numpy, scipy and
pandas only, so that rivals in environments of their own can read it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tail_cases import SHARED, _black, _chain, factor_scenarios

Array = NDArray[np.float64]
FORMS = ("abs", "norm1", "pos_neg", "buy_sell", "max")
DAYS = SHARED / "deribit-chains" / "daily_allstrikes_dev_20251230_20260531.parquet"
# The first half of the family, which work may look at, and the second, which only the last commit of a piece of work sets.
SEED_OPEN, SEED_KEPT_ASIDE = 14, 2766999670
EACH = 32
# Entries of a scenario matrix at most, by tier.
TIERS = {"small": 3e6, "medium": 2.5e7, "all": 4.5e7}


@dataclass(frozen=True)
class Spec:
    """Everything an instance is drawn from; equal specs give equal instances."""

    name: str
    seed: int
    market: str
    day: int
    scenarios: int
    instruments: int
    beta: float
    form: str
    role: str = "objective"
    greeks: str = "none"
    costs: bool = True
    boxes: bool = True
    tails: int = 1
    tilted: bool = False
    ties: bool = False
    duplicates: bool = False
    extra: str = "none"

    @property
    def digest(self) -> str:
        """Name of the instance in stored results."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Tail:
    """One CVaR of ``-P x - base``: in the objective with a weight, or under a budget."""

    P: Array
    base: Array
    beta: float
    p: Array | None
    weight: float = 1.0
    budget: float | None = None


@dataclass
class Instance:
    """See the module's text; matrices that are absent are None."""

    spec: Spec
    tails: list[Tail]
    mu: Array
    cost: Array
    size: Array
    long_only: bool
    G: Array
    lower: Array
    upper: Array
    Q: Array | None = None
    F: Array | None = None
    radius: float = 0.0
    turnover: float = np.inf
    """Sum of ``|x|`` at most."""
    whole: Array = field(default_factory=lambda: np.zeros(0, dtype=int))
    source: str = ""


def specs(seed: int, count: int = EACH) -> list[Spec]:
    """The instances of one half. Kinds come in turn, the rest is drawn."""
    return [_spec(seed, i) for i in range(count)]


def _spec(seed: int, i: int) -> Spec:
    rng = np.random.default_rng((seed, i))
    many = [10_000, 10_000, 20_000, 30_000, 100_000, 100_000, 100_000, 300_000, 1_000_000]
    S = int(many[(i * 4 + int(rng.integers(2))) % len(many)])
    N = int(np.exp(rng.uniform(np.log(30), np.log(2000))))
    N = max(30, min(N, int(TIERS["all"] / S)))
    market = str(rng.choice(["BTC", "ETH", "BTC+ETH", "portfolio"], p=[0.3, 0.25, 0.25, 0.2]))
    extra = {7: "quadratic", 15: "soc", 23: "integers", 29: "turnover"}.get(i % 32, "none")
    if extra in ("soc", "integers"):
        S, N = min(S, 20_000), min(N, 60)
    made = Spec(
        f"{i:02d}", int(rng.integers(1 << 30)), market, int(rng.integers(153)), S, N,
        float(rng.choice([0.9, 0.95, 0.975, 0.99, 0.995])), FORMS[i % len(FORMS)],
        role=str(rng.choice(["objective", "budget", "both"], p=[0.6, 0.2, 0.2])),
        greeks=str(rng.choice(["none", "equal", "band"])), costs=bool(rng.random() < 0.85), boxes=bool(rng.random() < 0.7),
        tails=int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])), tilted=bool(rng.random() < 0.12), ties=bool(rng.random() < 0.1),
        duplicates=bool(rng.random() < 0.12), extra=extra,
    )  # fmt: skip
    if market == "portfolio":
        made = replace(made, form="long_only", greeks="none", role="objective" if made.role == "budget" else made.role)
    if not made.costs and not made.boxes and market != "portfolio":
        # Without costs and limits nothing keeps an option program bounded.
        made = replace(made, boxes=True)
    return made


def instance(spec: Spec) -> Instance:
    """Draw the numbers of an instance."""
    rng = np.random.default_rng(spec.seed)
    values, held, cost, greeks, source = _portfolio(spec, rng) if spec.market == "portfolio" else _options(spec, rng)
    S, n = values.shape
    if spec.duplicates:
        twins = rng.permutation(n)[: 2 * (n // 4)].reshape(2, -1)
        values[:, twins[1]] = values[:, twins[0]] * (1 + 1e-6 * rng.normal(size=twins.shape[1]))
        greeks[:, twins[1]] = greeks[:, twins[0]]
        cost[twins[1]] = cost[twins[0]]
    if spec.ties:
        drawn = rng.integers(0, max(50, S // 40), S)
        values, held = np.ascontiguousarray(values[drawn]), held[drawn]
    p = None
    if spec.tilted:
        z = held / max(float(held.std()), 1e-300)
        p = np.exp(np.clip(-0.7 * z, -6, 6))
        p /= p.sum()
    tails = [Tail(values, held, spec.beta, p)]
    for k in range(1, spec.tails):
        tails.append(Tail(values, held * (1 + 0.2 * k), float(rng.choice([0.9, 0.95, 0.99])), p, 0.5 / k))
    long_only = spec.market == "portfolio"
    size = np.full(n, 50.0 if not long_only else 0.2) if spec.boxes else np.full(n, np.inf)
    size = np.maximum(size, 4.0 / n) if long_only else size
    G, lower, upper = np.zeros((0, n)), np.zeros(0), np.zeros(0)
    mu = np.zeros(n)
    if long_only:
        G, lower, upper = np.ones((1, n)), np.ones(1), np.ones(1)
        mu = -0.1 * values.mean(axis=0)
    elif spec.greeks != "none":
        G = greeks
        width = np.abs(greeks).max(axis=1) * (0.0 if spec.greeks == "equal" else 2.0)
        lower, upper = -width, width
    made = Instance(spec, tails, mu, cost if spec.costs else np.zeros(n), size, long_only, G, lower, upper, source=source)
    if spec.role != "objective":
        # A budget between the tail of the book as it is and what a first plan could reach.
        now = weighted_cvar(-values @ _begin(made) - held, p, spec.beta)
        tails[0].budget = (0.9 if now > 0 else 1.05) * now
        tails[0].weight = 1.0 if spec.role == "both" else 0.0
        if spec.role == "budget":
            made.cost = cost if not long_only else made.cost
            made.mu = -values.mean(axis=0) if long_only else made.mu
            for extra in tails[1:]:
                extra.weight = 0.0
                extra.budget = 1.2 * weighted_cvar(-values @ _begin(made) - extra.base, p, extra.beta)
    _extras(made, rng)
    return made


def _extras(made: Instance, rng: np.random.Generator) -> None:
    n, values = len(made.mu), made.tails[0].P
    spread = np.maximum(values[:2000].std(axis=0), 1e-12)
    if made.spec.extra == "quadratic":
        F = rng.normal(size=(5, n)) * spread
        made.Q = (F.T @ F + np.diag(spread**2)) / max(float(made.tails[0].base.std()), float(spread.mean()))
    elif made.spec.extra == "soc":
        made.F = rng.normal(size=(5, n)) * spread
        made.radius = 2.0 * float(spread.mean() if made.long_only else made.tails[0].base.std())
    elif made.spec.extra == "turnover":
        made.turnover = 30.0
    elif made.spec.extra == "integers":
        made.whole = np.arange(min(8, n))
        if made.long_only:
            made.whole = made.whole[:0]


def _begin(made: Instance) -> Array:
    n = len(made.mu)
    return np.full(n, 1.0 / n) if made.long_only else np.zeros(n)


def _portfolio(spec: Spec, rng: np.random.Generator) -> tuple[Array, Array, Array, Array, str]:
    values = factor_scenarios(spec.scenarios, spec.instruments, spec.seed)
    return values, np.zeros(spec.scenarios), 1e-3 * rng.random(spec.instruments), np.zeros((0, spec.instruments)), "factors"


def _options(spec: Spec, rng: np.random.Generator) -> tuple[Array, Array, Array, Array, str]:
    """A short-option book and its hedges (an underlying first), revalued one day ahead by Black-76 in dollars."""
    coins = spec.market.split("+")
    each = -(-spec.instruments // len(coins))
    S, common = spec.scenarios, rng.standard_t(4, size=spec.scenarios)
    blocks, costs, greeks, held, sources = [], [], [], np.zeros(S), []
    for coin in coins:
        F, K, T, vol, call, half, source = _quotes(coin, spec.day, each + 39)
        own = rng.standard_t(4, size=S)
        shock = np.clip(0.035 * (0.85 * common + 0.5 * own), -0.6, 1.5)
        level = -1.5 * shock + 0.08 * rng.standard_t(4, size=S)
        slope = 0.05 * rng.normal(size=S)
        order = rng.permutation(len(K))
        book, hedges = order[:40], np.sort(order[40:])[: each - 1]
        lots = -rng.uniform(0.0, 20.0, len(book))
        P = np.empty((S, 1 + len(hedges)))
        P[:, 0] = F[0] * shock
        for lo in range(0, S, 20_000):
            part = slice(lo, lo + 20_000)
            for at, write in ((book, False), (hedges, True)):
                change = _revalued(F[at], K[at], T[at], vol[at], call[at], shock[part], level[part], slope[part])
                if write:
                    P[part, 1:] = change
                else:
                    held[part] += change @ lots
        blocks.append(P)
        costs.append(np.append(F[0] * 1e-4, half[hedges]))
        greeks.append(_greeks(F[hedges], K[hedges], T[hedges], vol[hedges], call[hedges], F[0]))
        sources.append(source)
    together = np.zeros((2 * len(coins), sum(g.shape[1] for g in greeks)))
    begin = 0
    for i, g in enumerate(greeks):
        together[2 * i : 2 * i + 2, begin : begin + g.shape[1]] = g
        begin += g.shape[1]
    values = blocks[0] if len(blocks) == 1 else np.hstack(blocks)
    return values, held, np.concatenate(costs), together, "; ".join(sources)


def _revalued(F: Array, K: Array, T: Array, vol: Array, call: Array, shock: Array, level: Array, slope: Array) -> Array:
    later = np.maximum(T - 1 / 365, 1e-6)
    damp = np.sqrt((30 / 365) / np.maximum(later, 7 / 365))
    shift = np.exp(np.clip(level[:, None] * damp + slope[:, None] * (1 - damp), -1.0, 1.5))
    return np.asarray(_black(F * (1 + shock[:, None]), K, later, vol * shift, call) - _black(F, K, T, vol, call))


def _greeks(F: Array, K: Array, T: Array, vol: Array, call: Array, spot: float) -> Array:
    """Dollar delta per percent and vega per vol point of the underlying and the options."""
    up = _black(F * 1.01, K, T, vol, call) - _black(F * 0.99, K, T, vol, call)
    vega = _black(F, K, T, vol + 0.01, call) - _black(F, K, T, vol, call)
    return np.array([np.append(0.01 * spot, up / 2), np.append(0.0, vega)])


@cache
def _days() -> Any:
    import pandas as pd

    wanted = ["timestamp", "currency", "option_type", "strike", "expiry", "bid_price", "ask_price", "mark_price", "mark_iv",
              "underlying_price", "open_interest"]  # fmt: skip
    return pd.read_parquet(DAYS, columns=wanted)


def _quotes(coin: str, day: int, count: int) -> tuple[Array, Array, Array, Array, Any, Array, str]:
    """The most open options of one recorded day, or a made-up chain where the recording is absent."""
    if not DAYS.is_file():
        F, K, T, vol, call, half, _ = _chain("crash" if day % 2 else "calm", count)
        return F, K, T, vol, call, half, "synthetic stand-in"
    d = _days()
    times = d.timestamp.unique()
    d = d[(d.timestamp == times[day % len(times)]) & (d.currency == coin) & (d.mark_price > 0) & (d.mark_iv > 0)]
    d = d.assign(years=(d.expiry - d.timestamp).dt.total_seconds() / (365 * 86400))
    d = d[d.years > 2 / 365].sort_values("open_interest", ascending=False, kind="stable").head(count)
    F = d.underlying_price.to_numpy(float)
    ask, bid = d.ask_price.astype(float), d.bid_price.astype(float)
    half = (ask.fillna(d.mark_price * 1.1) - bid.fillna(d.mark_price * 0.9)).to_numpy(float) / 2
    name = f"{coin} {str(times[day % len(times)])[:10]}"
    return (
        F, d.strike.to_numpy(float), d.years.to_numpy(float), d.mark_iv.to_numpy(float),
        (d.option_type == "call").to_numpy(), np.maximum(half, 1e-4) * F, name,
    )  # fmt: skip


def weighted_cvar(losses: Array, p: Array | None, beta: float) -> float:
    """CVaR of a loss vector (Rockafellar and Uryasev), the fraction of the scenario at the level counted."""
    weights = np.full(len(losses), 1.0 / len(losses)) if p is None else p
    order = np.argsort(-losses, kind="stable")
    caps = weights[order] / (1 - beta)
    q = np.clip(1.0 - np.concatenate(([0.0], np.cumsum(caps)[:-1])), 0.0, caps)
    return float(q @ losses[order])


def evaluate(made: Instance, x: Array) -> tuple[float, float]:
    """Objective at ``x``, and the largest violation of what limits it, relative to the sizes in each limit."""
    levels = [weighted_cvar(-(t.P @ x) - t.base, t.p, t.beta) for t in made.tails]
    value = float(made.mu @ x + made.cost @ np.abs(x)) + sum(t.weight * c for t, c in zip(made.tails, levels, strict=True))
    if made.Q is not None:
        value += 0.5 * float(x @ made.Q @ x)
    worst = float(np.max((np.abs(x) - made.size) / made.size, initial=0.0)) if np.isfinite(made.size).all() else 0.0
    if made.long_only:
        worst = max(worst, float(-x.min()))
    if len(made.G):
        held, scale = made.G @ x, np.abs(made.G) @ np.abs(x) + np.abs(made.G).max(axis=1) * 1e-3
        worst = max(worst, float(np.max(np.maximum(held - made.upper, made.lower - held) / scale)))
    for tail, level in zip(made.tails, levels, strict=True):
        if tail.budget is not None:
            worst = max(worst, (level - tail.budget) / abs(tail.budget))
    if np.isfinite(made.turnover):
        worst = max(worst, float(np.abs(x).sum()) / made.turnover - 1)
    if made.F is not None:
        worst = max(worst, float(np.linalg.norm(made.F @ x)) / made.radius - 1)
    if len(made.whole):
        worst = max(worst, float(np.abs(x[made.whole] - np.round(x[made.whole])).max()))
    return value, worst
