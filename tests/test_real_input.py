"""The main job on recorded Deribit chains: certified trades whose limits hold when recomputed from the raw file.

Nothing of hedgeopt's pricing is used for the recomputation: the CSV is read again and every value, Greek, margin and
scenario is written out with scipy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.models.data import table
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.verify import claim_of, judge

SNAPSHOTS = ("snapshot_calm_20260115.csv", "snapshot_crash_20260205.csv")
PERPETUALS = "perp_prices_6h_to_20260415.csv"

pytestmark = pytest.mark.realdata


def market_maker_book(market: ho.Market) -> ho.Book:
    """Sixty-six options, mostly short, and both perpetuals: seeded, from what the market quotes."""
    rng = np.random.default_rng(1)
    positions = []
    for coin, lot in (("BTC", 1.0), ("ETH", 15.0)):
        near = [
            item
            for item in market.instruments.values()
            if item.kind == "option"
            and item.underlying == coin
            and 3 < 365 * item.years_from(market.timestamp) < 200
            and 0.75 < item.strike / market.price(coin) < 1.35
        ]
        for at in rng.choice(len(near), 33, replace=False):
            size = float(np.round(rng.uniform(2, 20) * lot, 1))
            positions.append(ho.Position(instrument=near[at].name, quantity=-size if rng.random() < 0.8 else size))
    positions += [
        ho.Position(instrument="BTC-PERPETUAL", quantity=1_500_000.0),
        ho.Position(instrument="ETH-PERPETUAL", quantity=-300_000.0),
    ]
    coins = (ho.Collateral(asset="BTC", amount=120.0), ho.Collateral(asset="ETH", amount=1_500.0))
    return ho.Book(accounts=(ho.Account(name="main", venue="deribit", collateral=coins, positions=tuple(positions)),))


LIMITS = {"delta BTC": 1.0, "delta ETH": 20.0, "vega ETH": 5_000.0, "leverage": 3.0, "margin": 0.6, "cvar": 400_000.0}
STRESS = 1_500_000.0


def policy() -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost() + ho.Carry() + 0.5 * ho.CVaR(0.99),
        subject_to=[
            ho.Delta("BTC").within(-LIMITS["delta BTC"], LIMITS["delta BTC"]),
            ho.Delta("ETH").within(-LIMITS["delta ETH"], LIMITS["delta ETH"]),
            ho.Vega("ETH").within(-LIMITS["vega ETH"], LIMITS["vega ETH"]),
            ho.Gamma("BTC") >= 0,
            ho.GrossLeverage() <= LIMITS["leverage"],
            ho.Margin("deribit") <= LIMITS["margin"],
            ho.CVaR(0.99) <= LIMITS["cvar"],
            ho.StressLoss("2020-03-12") <= STRESS,
            ho.Participation(share=0.1, missing="skip"),
            ho.OrderLimit(notional=5e6),
        ],
        candidates=ho.Candidates(mark_half_spread=0.0002),
        scenarios=ho.ParametricScenarios(count=10_000, seed=7),
        lots="ideal",
    )


@dataclass
class Raw:
    """One instrument per row of the raw file, with what the book holds and what is traded."""

    rows: pd.DataFrame
    index: dict[str, float]
    mark: dict[str, float]


def read_raw(folder: Path, snapshot: str) -> Raw:
    rows = pd.read_csv(folder / snapshot, parse_dates=["timestamp", "expiry"]).set_index("instrument_name")
    rows["years"] = (rows["expiry"] - rows["timestamp"]).dt.total_seconds() / (365 * 86_400)
    for _, group in rows.groupby(["currency", "expiry"]):  # the forward that call and put marks agree on: c - p = 1 - K/F
        pair = group.pivot_table(index="strike", columns="option_type", values="mark_price").dropna()
        pair = pair[(pair > 0.002).all(axis=1)]
        implied = pair.index.to_numpy(float) / (1 - (pair["call"] - pair["put"]))
        if len(implied) >= 3 and abs(np.median(implied) / group["underlying_price"].median() - 1) > 2e-5:
            rows.loc[group.index, "underlying_price"] = np.median(implied)
    index = rows.groupby("currency")["index_price"].median().to_dict()
    perpetual = pd.read_csv(folder / PERPETUALS, parse_dates=["obs_datetime"])
    gap = (perpetual["obs_datetime"] - rows["timestamp"].iloc[0]).abs()
    nearest = perpetual[gap == gap.min()].set_index("coin")["perp_futures_mark_price"].to_dict()
    return Raw(rows, index, nearest)


def black(forward: np.ndarray, strike: np.ndarray, years: np.ndarray, vol: np.ndarray, call: np.ndarray) -> np.ndarray:
    """Undiscounted Black-76 by scipy."""
    root = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / root + root / 2
    sign = np.where(call, 1.0, -1.0)
    return sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - root)))


@pytest.fixture(scope="module", params=SNAPSHOTS)
def solved(request: pytest.FixtureRequest, shared_data: Path) -> tuple[ho.Solved, Raw, ho.Book, ho.Market]:
    folder = shared_data / "deribit-chains"
    market = ho.read_market(folder / request.param, folder / PERPETUALS)
    book = market_maker_book(market)
    return ho.solve(book, market, policy()), read_raw(folder, request.param), book, market


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_marks_are_reproduced_from_mark_iv(shared_data: Path, snapshot: str) -> None:
    raw = read_raw(shared_data / "deribit-chains", snapshot)
    market = ho.read_market(shared_data / "deribit-chains" / snapshot)
    from hedgeopt.models.pricing.option import OPTION

    items = [item for item in market.instruments.values() if item.kind == "option"]
    ours = OPTION.unit_risk(items, market, ("BTC", "ETH")).premium
    error = np.abs(ours - raw.rows.loc[[item.name for item in items], "mark_price"].to_numpy())
    assert np.median(error) <= 1e-5


def test_the_answer_is_certified(solved: tuple) -> None:
    answer, _, book, _ = solved
    proposal = answer.proposal
    assert book.n_positions >= 60
    assert answer.exposures.n_candidates >= 300
    assert len(answer.exposures.base_pnl) == 10_000
    assert proposal.certificate.valid
    assert proposal.certificate.gap <= 1e-6


def test_the_independent_verifier_agrees(solved: tuple) -> None:
    answer, _, book, market = solved
    told = json.loads(answer.proposal.to_json())
    e = expose(book, market, policy())
    verdict = judge(claim_of(told), e, market, policy().model_dump(mode="json"))
    assert verdict.valid, verdict


def test_every_limit_holds_in_plain_numpy_from_the_raw_file(solved: tuple) -> None:
    proposal, raw, book, market = solved[0].proposal, *solved[1:]
    held = {p.name: p.quantity for p in book.accounts[0].positions}
    traded = {
        row.instrument: row.quantity if row.side == "buy" else -row.quantity
        for row in proposal.trades.itertuples(index=False)
    }
    after = {name: held.get(name, 0.0) + traded.get(name, 0.0) for name in {*held, *traded}}
    coins = {c.asset: c.amount for c in book.accounts[0].collateral}
    names = [name for name in after if not name.endswith("PERPETUAL")]
    o = raw.rows.loc[names]
    call = (o["option_type"] == "call").to_numpy()
    forward, strike, years, vol = (o[c].to_numpy(float) for c in ("underlying_price", "strike", "years", "mark_iv"))
    index = o["currency"].map(raw.index).to_numpy(float)
    z = np.array([after[name] for name in names])
    x = np.array([traded.get(name, 0.0) for name in names])
    price = black(forward, strike, years, vol, call)
    coin_price = price / forward
    root = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / root + root / 2
    delta = np.where(call, norm.cdf(d1), norm.cdf(d1) - 1)
    gamma = norm.pdf(d1) / (forward * root) * forward / index
    vega = 0.01 * forward * norm.pdf(d1) * np.sqrt(years) * index / forward

    equity = sum(amount * raw.index[coin] for coin, amount in coins.items())
    q = np.array([held.get(name, 0.0) for name in names])
    equity += float(q @ (coin_price * index))
    perpetual = {coin: after.get(f"{coin}-PERPETUAL", 0.0) for coin in coins}
    net = {}
    for coin in coins:
        mine = (o["currency"] == coin).to_numpy()
        net[coin] = (
            coins[coin] + perpetual[coin] / raw.mark[coin] + float(z[mine] @ delta[mine]) - float(x[mine] @ coin_price[mine])
        )
    slack = 1e-6  # marks here are recomputed, prices in the program come from its own kernel
    assert abs(net["BTC"]) <= LIMITS["delta BTC"] * (1 + slack)
    assert abs(net["ETH"]) <= LIMITS["delta ETH"] * (1 + slack)
    btc = (o["currency"] == "BTC").to_numpy()
    assert z[btc] @ gamma[btc] >= -1e-9
    assert abs(z[~btc] @ vega[~btc]) <= LIMITS["vega ETH"] * (1 + slack)

    exposure = float(np.abs(z * delta) @ index) + sum(abs(v) / raw.mark[c] * raw.index[c] for c, v in perpetual.items())
    assert exposure / equity <= LIMITS["leverage"] * (1 + slack)

    rates = table("deribit")["standard_margin"]
    mark = o["mark_price"].to_numpy(float)
    out = np.where(call, np.maximum(strike - index, 0), np.maximum(index - strike, 0)) / index
    short_margin = np.maximum(0.15 - out, 0.1) + mark
    put_floor = np.maximum(0.075, 0.075 * mark) + mark
    short_margin = np.where(call, short_margin, np.maximum(short_margin, put_floor)) * index
    margin = float(short_margin @ np.maximum(-z, 0))
    for coin, value in perpetual.items():
        size = abs(value) / raw.mark[coin]
        margin += (rates[coin]["initial_base"] + rates[coin]["initial_per_coin"] * size) * size * raw.index[coin]
    assert margin / equity <= LIMITS["margin"] * (1 + slack)

    scenarios = draw(policy().scenarios, list(coins), market)
    assert _cvar(-_pnl(scenarios)(o, z, x, coins, perpetual, raw, coin_price)) <= LIMITS["cvar"] * (1 + slack)


def _pnl(scenarios: ho.ScenarioSet):  # type: ignore[no-untyped-def]
    def revalue(o, z, x, coins, perpetual, raw, coin_price):  # type: ignore[no-untyped-def]
        total = np.zeros(len(scenarios))
        for coin, posted in coins.items():
            factor, at = scenarios.price_factor(coin), scenarios.assets.index(coin)
            index = raw.index[coin]
            mine = (o["currency"] == coin).to_numpy()
            paid = float(x[mine] @ coin_price[mine])
            total += (posted - paid) * index * (factor - 1)
            total += perpetual[coin] / raw.mark[coin] * index * (factor - 1)
            rows = o[mine]
            days = 365 * rows["years"].to_numpy()
            weight = (30 / np.maximum(days, 7)) ** 0.3
            vol = rows["mark_iv"].to_numpy() * np.exp(scenarios.log_vol_shift[:, at, None] * weight)
            forward = rows["underlying_price"].to_numpy()
            moved = forward * factor[:, None]
            left = np.maximum(rows["years"].to_numpy() - scenarios.horizon_days / 365, 1e-12)
            call = (rows["option_type"] == "call").to_numpy()
            then = black(moved, rows["strike"].to_numpy(float), left, np.clip(vol, 0.01, 5.0), call)
            total += (then - coin_price[mine] * forward) * (index / forward) @ z[mine]
        return total

    return revalue


def _cvar(losses: np.ndarray) -> float:
    """Mean of the worst hundred of ten thousand."""
    return float(np.sort(losses)[-100:].mean())


def test_nothing_is_proposed_on_a_side_without_a_quote(solved: tuple) -> None:
    proposal, raw = solved[0].proposal, solved[1]
    for row in proposal.trades.itertuples(index=False):
        if re.search("PERPETUAL", row.instrument):
            continue
        quote = raw.rows.loc[row.instrument, "ask_price" if row.side == "buy" else "bid_price"]
        assert quote > 0
        assert row.price == pytest.approx(quote)
        assert row.quantity <= 0.1 * raw.rows.loc[row.instrument, "open_interest"] * (1 + 1e-9)
