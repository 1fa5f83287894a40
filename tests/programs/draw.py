"""Random programs: a base book, sampled scenarios, random terms, limits, tolerances, and a user's own constraints."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cvxpy as cp
import numpy as np

import hedgeopt as ho
from hedgeopt.constraints.margin_utilisation import MarginUtilisation
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.risk.concentration import Concentration
from hedgeopt.models.risk.true_leverage import NetLeverage, TrueLeverage
from hedgeopt.program.box import trade_box

TESTS = Path(__file__).resolve().parents[1]
STRESS = "2020-03-12"


def load(path: Path) -> Any:
    """A test support file as a module."""
    name = "programs_" + "_".join(path.relative_to(TESTS).with_suffix("").parts)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dataclass(frozen=True)
class Case:
    """One program: exposures, policy, own constraints, and the family its name tells."""

    name: str
    e: Exposures
    policy: ho.Policy
    own: Any
    unit: float


@cache
def bases() -> dict[str, tuple[Exposures, ho.Candidates]]:
    """Exposures of four books with 200 scenarios each, to be thinned."""
    support, venues = load(TESTS / "conftest.py"), load(TESTS / "constraints" / "conftest.py")
    with TemporaryDirectory() as folder:
        market = ho.read_market(support.write_toy_chain(Path(folder) / "chain.csv"))
    book = (
        support.toy_book.__wrapped__() if hasattr(support.toy_book, "__wrapped__") else support.toy_book._fixture_function()
    )
    three = (
        venues.venues_market.__wrapped__()
        if hasattr(venues.venues_market, "__wrapped__")
        else venues.venues_market._fixture_function()
    )
    main = book.accounts[0]
    spare = ho.Account(name="spare", venue="deribit", collateral=(ho.Collateral(asset="BTC", amount=50.0),))
    link = ho.Link(source="spare", target="main", asset="BTC", cost_rate=1e-4)
    links = [
        {"source": s, "target": t, "asset": "USDC", "cost_rate": r, "bridge": "across"}
        for s, t, r in (("bn", "hl", 1e-4), ("db", "hl", 5e-4), ("hl", "bn", 2e-4), ("db", "bn", 1e-4))
    ]
    account = venues.account
    desk = ho.Book(
        accounts=[
            account("hl", "hyperliquid", 400_000.0, [("BTC-hyperliquid", -30.0)]),
            account("bn", "binance", 900_000.0, [("ETH-binance", 300.0)]),
            account("db", "deribit", 500_000.0),
        ],
        links=links,
    )
    chosen = {
        "standard": (book, market, ho.Candidates(min_delta=0.2)),
        "portfolio": (
            book.model_copy(update={"accounts": (main.model_copy(update={"margin": "portfolio"}),)}),
            market,
            ho.Candidates(min_delta=0.25),
        ),
        "linked": (
            book.model_copy(update={"accounts": (main, spare), "links": (link,)}),
            market,
            ho.Candidates(min_delta=0.3),
        ),
        "venues": (desk, three, ho.Candidates(kinds=("perpetual",), underlyings=("BTC", "ETH"))),
    }
    found = {}
    for name, (which, where, rules) in chosen.items():
        vol = {"BTC": 0.6, "ETH": 0.8} if name == "venues" else None
        policy = ho.Policy(
            minimize=ho.TransactionCost(),
            candidates=rules,
            scenarios=ho.ParametricScenarios(count=200, seed=7, **({"vol": vol} if vol else {})),
            lots="ideal",
        )
        found[name] = expose(which, where, policy), rules
    return found


def terms(e: Exposures, rng: np.random.Generator) -> list[Any]:
    """Every kind of term that makes sense for the exposures, with random settings."""
    coin = str(rng.choice(["BTC", "ETH"]))
    found: list[Any] = [
        ho.TransactionCost(),
        ho.Carry(include_theta=bool(rng.integers(2))),
        ho.CVaR(float(rng.choice([0.0, 0.5, 0.9, 0.95, 0.99]))),
        ho.Variance(),
        ho.StressLoss(STRESS),
        ho.StressLoss(STRESS, include_unwind=True),
        ho.GrossLeverage(basis=str(rng.choice(["delta", "notional"]))),
        TrueLeverage(),
        NetLeverage(underlying=coin),
        ho.Delta(coin),
        ho.Theta(coin),
        ho.Rho(coin),
        Concentration(by="venue", of=e.venues[0]),
        ho.Margin(str(rng.choice(e.venues))),
    ]
    if any(item.kind == "option" for item in e.rows.instruments):
        found += [
            ho.Gamma(coin),
            ho.Vega(coin),
            ho.Vanna(coin),
            ho.Volga(coin),
            ho.VegaBucket(coin, 30.0),
            ho.GammaBucket(coin, 90.0),
        ]
    return found


def value(e: Exposures, term: Any, x: np.ndarray) -> float:
    """A term's value by the reference's formula."""
    reference = load(TESTS / "programs" / "reference.py")
    return float(reference.value(e, term, x)[0])


def draw(seed: int) -> Case:
    """The program of a seed."""
    rng = np.random.default_rng([2026, seed])
    base = str(rng.choice(["standard", "standard", "portfolio", "linked", "venues"]))
    e, candidates = bases()[base]
    count = int(rng.choice([15, 40, 120, 200]))
    chosen = rng.choice(200, count, replace=False)
    p = rng.dirichlet(np.ones(count)) if rng.random() < 0.3 else None
    e = replace(e, base_pnl=e.base_pnl[chosen], pnl=e.pnl[chosen], probabilities=p)
    sizes: list[Any] = [ho.OrderLimit(notional=float(10 ** rng.uniform(4, 7)))]
    if rng.random() < 0.3:
        sizes.append(ho.PositionLimit(notional=float(10 ** rng.uniform(5, 8))))
    if rng.random() < 0.2:
        sizes.append(ho.Participation(share=float(10 ** rng.uniform(-3, 0)), missing="skip"))
    bare = ho.Policy(minimize=ho.TransactionCost(), subject_to=sizes, candidates=candidates, lots="ideal")
    box = trade_box(bare, e)
    inside = rng.uniform(box.lower, box.upper) * (rng.random(e.n_candidates) < rng.uniform(0.05, 0.6))
    inside[e.links.candidate] *= rng.random() < 0.5
    words = [base]

    all_terms = terms(e, rng)
    parts = list(rng.choice(np.array(all_terms, object), int(rng.integers(1, 4)), replace=False))
    if rng.random() < 0.5 and not any(t.kind == "transaction_cost" for t in parts):
        parts.append(ho.TransactionCost())
    if rng.random() < 0.35 and not any(t.kind == "variance" for t in parts):
        parts.append(ho.Variance())
    objective, unit = [], 0.0
    extreme = rng.random() < 0.35
    for term in parts:
        now, then = value(e, term, np.zeros(e.n_candidates)), value(e, term, inside)
        spread = max(abs(now - then), 1e-3 * abs(now), 1e-9)
        weight = (10 ** rng.uniform(-1, 1)) * {"USD": 1.0}.get(term.unit, 1e4 / spread)
        if term.kind == "variance":
            weight = 10 ** rng.uniform(-12, -4)
        if extreme:
            weight *= 10 ** rng.uniform(-6, 3)
        if term.affine and rng.random() < 0.3:
            weight = -weight
        objective.append((float(weight), term))
        unit += abs(weight) * max(abs(now), abs(then))
        words.append(f"{weight:+.0e}*{term.name}")
    # a term may be zero at both points: margin of an account that holds nothing
    unit = unit if unit > 0.0 else sum(abs(weight) for weight, _ in objective)
    rules: list[Any] = []
    for term in rng.choice(np.array(all_terms, object), int(rng.integers(0, 5)), replace=False):
        now, then = value(e, term, np.zeros(e.n_candidates)), value(e, term, inside)
        slack = float(rng.choice([0.0, 0.05, 0.5])) * max(abs(now - then), 1e-6 * abs(now), 1e-9)
        if term.kind == "margin":
            rules.append(
                MarginUtilisation(
                    venue=term.venue,
                    limit=float(rng.uniform(0.2, 1.0)),
                    requirement=str(rng.choice(["initial", "maintenance"])),
                )
            )
        elif not term.affine:
            rules.append(term <= then + slack)
        elif (shape := rng.random()) < 0.3:
            rules.append(term <= max(then, now if rng.random() < 0.3 else then) + slack)
        elif shape < 0.55:
            rules.append(term >= then - slack)
        elif shape < 0.8:
            rules.append(term.within(then - slack, then + slack))
        elif shape < 0.9:
            rules.append(term.within(then, then))
        else:
            rules.append(term.within(0.0, 0.0))
        words.append(f"{rules[-1].name}{'=' if getattr(rules[-1], 'lower', 0) == getattr(rules[-1], 'upper', 1) else ''}")
    if rng.random() < 0.15:
        rules.append(ho.SurviveStress(scenarios=(STRESS,), utilisation=float(rng.uniform(0.5, 1.0))))
        words.append("survive")
    if base == "venues" and rng.random() < 0.4:
        rules.append(ho.TransferLimit(usd=float(10 ** rng.uniform(3, 6)), bridge="across"))
        words.append("transfers")
    own = None
    if rng.random() < 0.4:
        label, own = custom(e, inside, rng)
        words.append(f"own {label}")
    tolerance = float(rng.choice([1e-2, 1e-4, 1e-6, 1e-6, 1e-6, 1e-8]))
    policy = ho.Policy(
        minimize=sum((w * t for w, t in objective[1:]), objective[0][0] * objective[0][1]),
        subject_to=[*sizes, *rules],
        candidates=candidates,
        tolerance=tolerance,
        lots="ideal",
    )
    return Case(f"{seed}: {', '.join(words)}, tol {tolerance:.0e}", e, policy, own, unit)


def rest(policy: ho.Policy) -> list[Any]:
    """Every limit, that on orders without a limit of their own among them."""
    return [*policy.subject_to, ho.OrderLimit(notional=policy.candidates.max_order_notional)]


def custom(e: Exposures, inside: np.ndarray, rng: np.random.Generator) -> tuple[str, Any]:
    """A user's constraint that ``inside`` meets, as a function of buys and sells in quantity units."""
    n = e.n_candidates
    notional = e.rows.notional[e.candidate] / 1e6
    at = notional * inside
    row = rng.normal(size=n) * (rng.random(n) < 0.5)
    matrix = rng.normal(size=(4, n)) / np.sqrt(n)
    loose = float(rng.choice([0.3, 0.8, 1.0, 1.5]))
    some = rng.random(n) < 0.3
    pnl, base = e.pnl / 1e6, e.base_pnl / 1e6
    p = np.full(len(base), 1.0 / len(base))
    worst = load(TESTS / "programs" / "reference.py").worst_of_tail
    gram, tail = matrix.T @ matrix, worst(-(pnl @ inside) - base, p, 0.9)
    eigen = float(np.linalg.eigvalsh([[at[0], at[1]], [at[1], at[-1]]]).max())
    picks: dict[str, Any] = {
        "row": lambda b, s, x: [row @ x <= loose * abs(row @ at)],
        "equality": lambda b, s, x: [row @ x == row @ at],
        "turnover abs": lambda b, s, x: [cp.sum(cp.abs(x)) <= loose * np.abs(at).sum()],
        "turnover buy+sell": lambda b, s, x: [cp.sum(b + s) <= loose * np.abs(at).sum()],
        "buys only": lambda b, s, x: [cp.sum(b) <= loose * np.maximum(at, 0).sum()],
        "sell == 0": lambda b, s, x: [s[np.flatnonzero(some)] == 0] if some.any() else [s[0] == 0],
        "at least bought": lambda b, s, x: [cp.sum(b) >= 0.5 * np.maximum(at, 0).sum()],
        "log_sum_exp": lambda b, s, x: [cp.log_sum_exp(x) <= np.log(np.exp(loose * at).sum())],
        "exp": lambda b, s, x: [cp.sum(cp.exp(x)) <= np.exp(loose * at).sum()],
        "norm2": lambda b, s, x: [cp.norm2(x) <= loose * np.linalg.norm(at) + 1e-3],
        "norm_inf": lambda b, s, x: [cp.norm_inf(matrix @ x) <= loose * np.abs(matrix @ at).max() + 1e-3],
        "soc": lambda b, s, x: [cp.SOC(loose * np.linalg.norm(matrix @ at) + 1e-3 + 0.0 * x[0], matrix @ x)],
        "quad_form": lambda b, s, x: [cp.quad_form(x, gram, assume_PSD=True) <= loose * at @ gram @ at + 1e-4],
        "sum_squares": lambda b, s, x: [cp.sum_squares(x) <= loose * at @ at + 1e-4],
        "own cvar": lambda b, s, x: [cp.cvar(-(pnl / notional) @ x - base, 0.9) <= loose * tail + 1e-3],
        "huber": lambda b, s, x: [cp.sum(cp.huber(x)) <= loose * _huber(at) + 1e-4],
        "power": lambda b, s, x: [cp.sum(cp.power(cp.abs(x), 1.5)) <= loose * (np.abs(at) ** 1.5).sum() + 1e-4],
        "new variable": lambda b, s, x: _levels(x, at, loose),
        "psd": lambda b, s, x: [cp.lambda_max(cp.bmat([[x[0], x[1]], [x[1], x[-1]]])) <= eigen + 1e-3],
    }  # fmt: skip
    label = str(rng.choice(list(picks)))

    def own(buy: cp.Expression, sell: cp.Expression, e: Exposures) -> Sequence[cp.Constraint]:
        b, s = cp.multiply(notional, buy), cp.multiply(notional, sell)
        return picks[label](b, s, b - s)

    return label, own


def _levels(x: cp.Expression, at: np.ndarray, loose: float) -> list[cp.Constraint]:
    t = cp.Variable(x.shape[0])
    return [t >= x, t >= -x, cp.sum(t) <= loose * np.abs(at).sum()]


def _huber(at: np.ndarray) -> float:
    a = np.abs(at)
    return float(np.where(a <= 1, a**2, 2 * a - 1).sum())
