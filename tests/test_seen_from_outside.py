"""A certified answer seen from outside: raw chain, book, policy and proposal, and a linear program of its own.

Two Deribit accounts (standard and portfolio margin) and a treasury that may send coins, solved by the command line. Nothing
of hedgeopt is imported: values, Greeks, scenarios, both margin rules and the whole program are written out here with scipy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog
from scipy.stats import norm

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

BETA, WEIGHT, SHARE, UTILISATION, SEND, ORDER = 0.95, 0.1, 0.1, 0.2, 0.0003, 4e6
VEGA, CVAR, STRESS, LEVERAGE = 2_000.0, 150_000.0, 300_000.0, 1.5
COINS = {"sm": 50.0, "pm": 3.0, "t": 20.0}
DELTA = 52.0
EXPIRIES = ("30JAN26", "27FEB26")
FAR = np.array([-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
RANGE, UP, DOWN, LEAST_VOL, DAMPENER, ROLL, LEAST_ROLL = 0.16, 0.5, 0.25, 0.5, 100_000.0, 0.075, 0.01


def black(forward: Any, strike: Any, years: Any, vol: Any, call: Any) -> np.ndarray:
    """Undiscounted Black-76."""
    root = vol * np.sqrt(years)
    d1, side = np.log(forward / strike) / root + root / 2, np.where(call, 1.0, -1.0)
    return np.asarray(side * (forward * norm.cdf(side * d1) - strike * norm.cdf(side * (d1 - root))))


@dataclass
class Chain:
    """One row per (account, option) that is held or may be traded, in units of one contract."""

    o: pd.DataFrame
    index: float

    def __post_init__(self) -> None:
        o = self.o
        self.forward, self.strike, self.years, self.vol, self.mark = (
            o[c].to_numpy(float) for c in ("forward", "strike", "years", "mark_iv", "mark_price")
        )
        self.call = (o["option_type"] == "call").to_numpy()
        root = self.vol * np.sqrt(self.years)
        self.d1 = np.log(self.forward / self.strike) / root + root / 2
        self.delta = norm.cdf(self.d1) - ~self.call
        self.vega = 0.01 * self.index * norm.pdf(self.d1) * np.sqrt(self.years)
        fee = np.minimum(0.0003, 0.125 * self.mark)
        bid, ask = o["bid_price"].to_numpy(float), o["ask_price"].to_numpy(float)
        mid = (bid + ask) / 2
        self.buy = (np.maximum(ask - np.minimum(mid, self.mark), 0) + fee) * self.index
        self.sell = (np.maximum(np.maximum(mid, self.mark) - bid, 0) + fee) * self.index

    def pnl(self, factor: np.ndarray, log_vol: np.ndarray, days: float) -> np.ndarray:
        """(S, n) USD per contract held: full repricing, no more lost than the mark."""
        ratio = 30 / np.maximum(365 * self.years, 7)
        vol = np.clip(self.vol * np.exp(log_vol[:, None] * ratio ** np.where(ratio > 1, 0.35, 0.6)), 0.01, 5)
        then = black(self.forward * factor[:, None], self.strike, self.years - days / 365, vol, self.call)
        now = black(self.forward, self.strike, self.years, self.vol, self.call)
        return np.maximum(then - now, -self.mark * self.forward) * self.index / self.forward

    def standard(self) -> np.ndarray:
        """(n,) USD of initial margin per contract short."""
        out = np.where(self.call, np.maximum(self.strike - self.index, 0), np.maximum(self.index - self.strike, 0))
        initial = np.maximum(0.15 - out / self.index, 0.1) + self.mark
        floor = np.maximum(0.075, 0.075 * self.mark) + self.mark
        return np.where(self.call, initial, np.maximum(initial, floor)) * self.index

    def matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """(35, n) USD per contract in the risk matrix, extended moves scaled; and (35,) by how much losses are dampened."""
        move = np.concatenate([np.repeat(RANGE * np.arange(-4, 5) / 4, 3), FAR])
        days = 365 * self.years
        power = (30 / np.maximum(days, 1)) ** np.where(days < 30, 0.3, 0.13)
        up, down = np.maximum(self.vol * (1 + UP * power), LEAST_VOL), self.vol * np.maximum(1 - DOWN * power, 0)
        which = np.concatenate([np.tile([1, 0, -1], 9), np.ones(8)])[:, None]
        vol = np.where(which > 0, up, np.where(which < 0, down, self.vol))
        moved = self.forward * (1 + move[:, None])
        coins = black(moved, self.strike, self.years, vol, self.call) / moved
        coins -= black(self.forward, self.strike, self.years, self.vol, self.call) / self.forward
        edge = 1 + np.sign(FAR) * RANGE
        coins[27:] *= (RANGE / np.abs(FAR) * (1 + FAR) / edge)[:, None]
        return coins * self.index, np.concatenate([np.zeros(27), (np.abs(FAR) / RANGE - 1) * DAMPENER / edge])


def raw_chain(path: Path) -> tuple[pd.DataFrame, float]:
    """BTC options with their years, and the forward that call and put marks agree on: c - p = 1 - K/F."""
    o = pd.read_csv(path, parse_dates=["timestamp", "expiry"])
    o = o[o["currency"] == "BTC"].set_index("instrument_name")
    o["years"] = (o["expiry"] - o["timestamp"]).dt.total_seconds() / (365 * 86_400)
    o["forward"] = o["underlying_price"]
    for _, group in o.groupby("expiry"):
        pair = group.pivot_table(index="strike", columns="option_type", values="mark_price")
        pair = pair[(pair > 0.002).all(axis=1)]
        implied = pair.index.to_numpy(float) / (1 - (pair["call"] - pair["put"]).to_numpy())
        if len(implied) < 3:
            continue
        shift = abs(np.median(implied) / group["forward"].median() - 1)
        if shift > 2e-5 and np.median(np.abs(implied / np.median(implied) - 1)) <= shift / 4:
            o.loc[group.index, "forward"] = np.median(implied)
    return o, float(o["index_price"].median())


def candidates(o: pd.DataFrame) -> list[str]:
    """What the policy's own words allow to trade."""
    o = o[o.index.str.split("-").str[1].isin(EXPIRIES)]
    root = o["mark_iv"] * np.sqrt(o["years"])
    delta = np.abs(norm.cdf(np.log(o["forward"] / o["strike"]) / root + root / 2) - (o["option_type"] == "put"))
    spread = (o["ask_price"] - o["bid_price"]) / ((o["ask_price"] + o["bid_price"]) / 2)
    mark = o["mark_price"]
    room = np.minimum(5e-4 + 0.1 * mark, 1e-3 + 0.03 * mark)
    fair = (o["ask_price"] >= mark - room) & (o["bid_price"] <= mark + room) & (o["bid_price"] < o["ask_price"])
    return list(o.index[(delta >= 0.1) & (delta <= 0.9) & (spread <= 0.2) & fair])


def files(folder: Path, o: pd.DataFrame, index: float) -> dict[str, dict[str, float]]:
    """Write book and policy; returns what each account holds."""
    rng = np.random.default_rng(11)
    near = o.index[(o["strike"] / index).between(0.8, 1.25) & (365 * o["years"]).between(5, 120) & (o["mark_price"] > 5e-4)]
    held = {
        name: {
            k: float(np.round(rng.uniform(1, 8) * (-1 if rng.random() < 0.75 else 1), 1)) for k in rng.choice(near, 9, False)
        }
        for name in ("sm", "pm")
    }
    accounts: list[dict[str, Any]] = [
        {
            "name": name,
            "venue": "deribit",
            "margin": margin,
            "collateral": [{"asset": "BTC", "amount": amount}],
            "positions": [{"instrument": k, "quantity": q} for k, q in held[name].items()],
        }
        for name, margin, amount in (("sm", "standard", COINS["sm"]), ("pm", "portfolio", COINS["pm"]))
    ]
    accounts.append({"name": "t", "venue": "w", "margin": "none", "collateral": [{"asset": "BTC", "amount": COINS["t"]}]})
    link = {"source": "t", "target": "pm", "asset": "BTC", "cost_rate": SEND, "delay_hours": 1, "capacity": 15.0}
    (folder / "book.json").write_text(json.dumps({"accounts": accounts, "links": [link]}))

    def limit(term: dict[str, Any], **bounds: float) -> dict[str, Any]:
        return {"kind": "limit", "term": term, **bounds}

    tail = {"kind": "cvar", "beta": BETA}
    policy = {
        "lots": "ideal",
        "minimize": [{"weight": 1.0, "term": {"kind": "transaction_cost"}}, {"weight": WEIGHT, "term": tail}],
        "subject_to": [
            limit({"kind": "delta", "underlying": "BTC"}, lower=DELTA, upper=DELTA),
            limit({"kind": "vega", "underlying": "BTC"}, lower=-VEGA, upper=VEGA),
            limit(tail, upper=CVAR),
            limit({"kind": "stress_loss", "scenario": "fall"}, upper=STRESS),
            limit({"kind": "gross_leverage"}, upper=LEVERAGE),
            {"kind": "participation", "share": SHARE},
            {"kind": "order_limit", "notional": ORDER},
            {"kind": "margin_utilisation", "venue": "deribit", "limit": UTILISATION},
        ],
        "candidates": {
            "names": [f"BTC-{expiry}-*" for expiry in EXPIRIES],
            "min_delta": 0.1,
            "max_relative_spread": 0.2,
            "held": False,
        },
        "scenarios": {"kind": "parametric", "count": 300, "seed": 5, "noise": "none"},
        "stress": {"names": [], "scenarios": [{"name": "fall", "spot": {"BTC": -0.2}, "vol": {"BTC": 1.4}}]},
    }
    (folder / "policy.json").write_text(json.dumps(policy))
    return held


def hedgeopt(*arguments: object) -> Any:
    command = [sys.executable, "-m", "hedgeopt.cli", *map(str, arguments), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


class Rows:
    """Rows ``A v <= b`` of a linear program, by blocks of variables."""

    def __init__(self) -> None:
        self.parts: list[list[tuple[np.ndarray, Any]]] = []
        self.right: list[float] = []

    def add(self, right: float, *parts: tuple[np.ndarray, Any]) -> None:
        self.parts.append(list(parts))
        self.right.append(right)

    def matrix(self, width: int) -> sp.csr_matrix:
        flat = [(k, at, np.broadcast_to(v, np.shape(at))) for k, parts in enumerate(self.parts) for at, v in parts]
        row = np.concatenate([np.full(np.size(at), k) for k, at, _ in flat])
        column, value = np.concatenate([np.ravel(at) for _, at, _ in flat]), np.concatenate([np.ravel(v) for *_, v in flat])
        return sp.csr_matrix((value, (row, column)), shape=(len(self.right), width))


def optimum(
    c: Chain, account: np.ndarray, held: np.ndarray, may: np.ndarray, sample: tuple[np.ndarray, np.ndarray]
) -> float:
    """The least cost plus weighted CVaR over every list of trades and transfers that meets the policy."""
    n, (factor, log_vol) = len(held), sample
    sizes = {"buy": n, "sell": n, "send": 1, "gross": n, "short": n, "worst": 1, "roll": n, "a": 1, "u": len(factor)}
    ends = np.cumsum([0, *sizes.values()])
    v = {name: np.arange(ends[k], ends[k + 1]) for k, name in enumerate(sizes)}
    cap = np.where(may, np.minimum(SHARE * c.o["open_interest"].to_numpy(float), ORDER / c.index), 0.0)
    upper = np.full(ends[-1], np.inf)
    upper[v["buy"]] = upper[v["sell"]] = cap
    upper[v["send"]] = 15.0
    lower = np.zeros(ends[-1])
    lower[v["a"]] = -np.inf
    rows = Rows()

    def net(a: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(v["buy"], a), (v["sell"], -a)]

    for name in np.unique(c.o.index):  # both accounts take from one market
        same = np.flatnonzero((c.o.index == name) & may)
        if len(same) > 1:
            rows.add(cap[same[0]], (v["buy"][same], 1.0), (v["sell"][same], 1.0))
    coins, equity = sum(COINS.values()), {name: COINS[name] * c.index for name in ("sm", "pm")}
    for name in equity:
        equity[name] += float(held[account == name] @ c.mark[account == name]) * c.index
    traded, start = c.delta - c.mark, coins + float(held @ c.delta)
    rows.add(DELTA - start, *net(traded))
    rows.add(start - DELTA, *net(-traded))
    for sign in (1.0, -1.0):
        rows.add(VEGA - sign * float(held @ c.vega), *net(sign * c.vega))
        for k in range(n):
            rows.add(
                -sign * held[k],
                *[(at[[k]], sign * x) for at, x in ((v["buy"], 1.0), (v["sell"], -1.0))],
                (v["gross"][[k]], -1.0),
            )
    rows.add(LEVERAGE * (sum(equity.values()) + COINS["t"] * c.index), (v["gross"], np.abs(c.delta) * c.index))

    def moves(factor: np.ndarray, log_vol: np.ndarray, days: float) -> tuple[np.ndarray, np.ndarray]:
        pnl, coin = c.pnl(factor, log_vol, days), c.index * (factor - 1)
        return pnl - coin[:, None] * c.mark, pnl @ held + coins * coin

    unit, base = moves(np.array([0.8]), np.log([1.4]), 0.0)
    rows.add(STRESS + base[0], *net(-unit[0]))
    unit, base = moves(factor, log_vol, 1.0)
    for k in range(len(factor)):
        rows.add(base[k], *net(-unit[k]), (v["a"], -1.0), (v["u"][[k]], -1.0))
    tail = [(v["a"], 1.0), (v["u"], 1 / (len(factor) * (1 - BETA)))]
    rows.add(CVAR, *tail)

    for name, need in (("sm", [(v["short"], c.standard())]), ("pm", [(v["worst"], 1.0), (v["roll"], c.index)])):
        mine = (account == name).astype(float)
        paid = [(v["buy"], UTILISATION * mine * c.buy), (v["sell"], UTILISATION * mine * c.sell)]
        if name == "pm":
            paid.append((v["send"], -UTILISATION * c.index))
        rows.add(UTILISATION * equity[name], *need, *paid)
    for k in np.flatnonzero(account == "sm"):
        rows.add(held[k], (v["buy"][[k]], -1.0), (v["sell"][[k]], 1.0), (v["short"][[k]], -1.0))
    pm = (account == "pm").astype(float)
    loss, damping = c.matrix()
    for row, damp in zip(-loss * pm, damping, strict=True):
        rows.add(damp - float(row @ held), *net(row), (v["worst"], -1.0))
    for e, years in enumerate(np.unique(c.years[account == "pm"])):
        rate = max(LEAST_ROLL, np.expm1(ROLL * years)) * pm * (c.years == years) * c.delta
        for sign in (1.0, -1.0):
            rows.add(-sign * float(rate @ held), *net(sign * rate), (v["roll"][[e]], -1.0))

    cost = np.zeros(ends[-1])
    cost[v["buy"]], cost[v["sell"]], cost[v["send"]] = c.buy, c.sell, SEND * c.index
    for at, weight in tail:
        cost[at] += WEIGHT * weight
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(
        cost, rows.matrix(ends[-1]), rows.right, bounds=np.column_stack([lower, upper]), method="highs", options=tight
    )
    assert found.status == 0, found.message
    return float(found.fun)


def test_no_program_of_ones_own_finds_a_cheaper_list_and_every_number_is_the_same(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "deribit-chains" / "snapshot_calm_20260115.csv"
    o, index = raw_chain(path)
    held = files(tmp_path, o, index)
    inputs = ["--market", path, "--book", tmp_path / "book.json", "--policy", tmp_path / "policy.json"]
    told = hedgeopt("solve", *inputs)
    drawn = pd.DataFrame(hedgeopt("scenarios", "sample", *inputs, "--rows", 300))
    sample = 1 + drawn["return BTC"].to_numpy(), np.log(drawn["vol_ratio BTC"].to_numpy())

    free = candidates(o)
    pairs = [(name, k) for name in held for k in dict.fromkeys([*held[name], *free])]
    account = np.array([name for name, _ in pairs])
    q = np.array([held[name].get(k, 0.0) for name, k in pairs])
    c = Chain(o.loc[[k for _, k in pairs]], index)
    best = optimum(c, account, q, np.array([k in free for _, k in pairs]), sample)
    certificate = told["certificate"]
    assert certificate["lower_bound"] <= best * (1 + 1e-9)
    assert certificate["objective"] == pytest.approx(best, rel=2e-6)

    x = np.zeros(len(pairs))
    for trade in told["trades"]:
        x[pairs.index((trade["account"], trade["instrument"]))] += trade["quantity"] * (1 if trade["side"] == "buy" else -1)
    sent = sum(transfer["amount"] for transfer in told["transfers"])
    assert sent > 0.01, "the margin limit should ask for coins"
    z, after = q + x, told["after"]
    cost = float(c.buy @ np.maximum(x, 0) + c.sell @ np.maximum(-x, 0)) + SEND * sent * index
    factor, log_vol = sample
    coins = sum(COINS.values()) - float(c.mark @ x)
    losses = np.sort(-(c.pnl(factor, log_vol, 1.0) @ z + coins * index * (factor - 1)))
    fall = float((c.pnl(np.array([0.8]), np.log([1.4]), 0.0) @ z)[0]) - 0.2 * coins * index
    cvar = float(losses[-15:].mean())  # the worst 5 % of 300
    assert told["costs"]["transaction"] == pytest.approx(cost, rel=1e-10)
    assert certificate["objective"] == pytest.approx(cost + WEIGHT * cvar, rel=1e-10)
    assert after["cvar"]["0.95"] == pytest.approx(cvar, rel=1e-9)
    assert after["stress"]["fall"] == pytest.approx(fall, rel=1e-9)
    assert after["greeks"]["BTC"]["delta"] == pytest.approx(coins + float(c.delta @ z), rel=1e-11)
    assert after["greeks"]["BTC"]["vega"] == pytest.approx(float(c.vega @ z), abs=1e-9 * float(c.vega @ np.abs(z)))
    loss, damping = c.matrix()
    pm = account == "pm"
    total = loss[:, pm] @ z[pm]
    worst = max(0.0, -float((np.sign(total) * np.maximum(np.abs(total) - damping, 0)).min()))
    roll = sum(
        abs(float(z[pm & (c.years == t)] @ c.delta[pm & (c.years == t)])) * max(LEAST_ROLL, np.expm1(ROLL * t)) * index
        for t in np.unique(c.years[pm])
    )
    margin = {"sm": float(c.standard()[~pm] @ np.maximum(-z[~pm], 0)), "pm": worst + roll}
    for row in after["accounts"]:
        if row["name"] in margin:
            assert row["initial_margin"] == pytest.approx(margin[row["name"]], rel=1e-10)
            assert row["initial_margin"] <= UTILISATION * row["equity"] * (1 + 1e-9)
    gross = {k: np.abs(x)[[n for n, pair in enumerate(pairs) if pair[1] == k]].sum() for _, k in pairs}
    for name, size in gross.items():
        assert size <= min(SHARE * o.loc[name, "open_interest"], ORDER / index) * (1 + 1e-9)
