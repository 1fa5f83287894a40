"""Instances of the tail family: drawn by seed over recorded chains and factor portfolios, whole programs as plain arrays.

An instance is ``min mu'x + cost'|x| + sum_k weight_k CVaR_k(-P_k x - base_k) + x'Qx / 2`` over ``|x| <= size`` (or
``x >= 0``), ``lower <= G x <= upper``, ``CVaR_j <= budget_j``, ``|F x| <= radius`` and integers. Needs numpy, scipy and
pandas only, so that rivals in environments of their own can read it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from benchmarks.tail_family_markets import Array, options, portfolio

FORMS = ("abs", "norm1", "pos_neg", "buy_sell", "max")
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
    values, held, cost, greeks, source = portfolio(spec, rng) if spec.market == "portfolio" else options(spec, rng)
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


def falls(made: Instance, r: Array) -> tuple[float, float]:
    """Change of the objective per unit far out along ``r``, and by how much ``r`` leaves what limits it, relative to their
    terms: the first below zero and the second none shows that the instance has no optimum."""
    levels = [weighted_cvar(-(t.P @ r), t.p, t.beta) for t in made.tails]
    parts = [
        float(made.mu @ r),
        float(made.cost @ np.abs(r)),
        *(t.weight * c for t, c in zip(made.tails, levels, strict=True)),
    ]
    slope = sum(parts) / max(sum(map(abs, parts)), 1e-300)
    size = float(np.abs(r).max())
    worst = float(np.abs(r[np.isfinite(made.size)]).max(initial=0.0)) / size
    worst = max(worst, float(-r.min()) / size) if made.long_only else worst
    if len(made.G):
        worst = max(worst, float(np.max(np.abs(made.G @ r) / (np.abs(made.G) @ np.abs(r)))))
    for t, level in zip(made.tails, levels, strict=True):
        if t.budget is not None:
            worst = max(worst, level / max(abs(level), float(made.cost @ np.abs(r))))
    limited = np.isfinite(made.turnover) or made.F is not None or made.Q is not None
    return slope, 1.0 if limited else worst
