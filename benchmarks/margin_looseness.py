"""How far every margin rule's convex encoding lies above the venue's plain rule, on books drawn at random.

Two coins, four expiries, every settlement and family that the rule takes; 2 to 30 positions of either sign, 10,000 to
200,000,000 USD in all, one book in five of longs or shorts alone. Per cent of the plain requirement, initial and
maintenance:

* at the anchor: the encoding that is exact at the book itself, as a program ends with it;
* after trades: the encoding of the book as it stands, where each position has changed by up to a third;
* from nothing: the encoding of an empty account, as a program that opens the whole book starts with.

Below 0 would be a fault: the program would take for fine what the venue does not. ``python -m benchmarks.margin_looseness``
writes the table of docs/margin.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PLACES", "books", "looseness", "main", "records", "rules", "state_for"]

PLACES = ("at the anchor", "after trades", "from nothing")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "margin.md"
_MARK = re.compile(r"(<!-- printed by benchmarks.margin_looseness -->\n).*?(<!-- end -->)", re.DOTALL)
_SPOT = {"BTC": 80_000.0, "ETH": 2_500.0}
_DOLLARS = ("USDC", "USDT", "USD")
_OKX: dict[str, Any] = {
    "vols": [[0, 0.30, 0.50], [60, 0.10, 0.60]], "vega": [[0, 0.10], [100, 0.02]], "interest": [[0, 0.05]],
    "minimum_long_option": 0.001, "minimum_short_option": 0.004,
}  # fmt: skip
_BYBIT: dict[str, Any] = {
    "vols": [[0, 0.5, 0.4], [90, 0.2, 0.1]], "initial_factor": 1.25, "futures": 0.008, "short_option": 0.01,
    "delta_spread": 0.5, "dollar_spread": 0.01,
}  # fmt: skip
"""Numbers that the packaged tables leave to the user: of the size that the venues' own have."""


def rules() -> dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]]:
    """Rule, the kinds of instrument that it takes, and settlements, by name."""
    from hedgeopt.models.margin.binance import Binance
    from hedgeopt.models.margin.binance_portfolio import BinancePortfolio
    from hedgeopt.models.margin.bybit_portfolio import BybitPortfolio
    from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio
    from hedgeopt.models.margin.deribit_standard import DeribitStandard
    from hedgeopt.models.margin.derive import Derive
    from hedgeopt.models.margin.derive_standard import DeriveStandard
    from hedgeopt.models.margin.dydx_v4 import DydxV4
    from hedgeopt.models.margin.hyperliquid import Hyperliquid
    from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
    from hedgeopt.models.margin.paradex import Paradex

    okx, bybit = dict(OkxPortfolio()._data), BybitPortfolio()._data
    okx["large"] = {**okx["large"], **_OKX}
    okx["depeg"] = [[0, 0.0075], [1e6, 0.0175], [5e6, 0.025]]
    every, linear, perpetual = ("perpetual", "future", "option"), ("perpetual", "option"), ("perpetual",)
    coin, usdc = ("coin",), ("USDC",)
    return {
        "deribit_standard": (DeribitStandard(), every, coin),
        "portfolio": (DeribitPortfolio(), every, coin),
        "portfolio:legacy": (DeribitPortfolio("legacy"), every, coin),
        "derive": (Derive(), linear, usdc),
        "derive_standard": (DeriveStandard(), linear, usdc),
        "hyperliquid": (Hyperliquid(), perpetual, usdc),
        "binance": (Binance(), perpetual, ("USDT",)),
        "binance_portfolio": (BinancePortfolio(), perpetual, ("USDT",)),
        "bybit_portfolio": (BybitPortfolio({c: {**bybit[c], **_BYBIT} for c in _SPOT}), every, ("coin", "USDC", "USDT")),
        "okx_portfolio, one dollar": (OkxPortfolio(okx), every, ("USDT",)),
        "okx_portfolio, three dollars": (OkxPortfolio(okx), every, ("coin", "USDC", "USDT")),
        "paradex": (Paradex(), linear, usdc),
        "dydx": (DydxV4(), perpetual, usdc),
    }


def state_for(rng: np.random.Generator, kinds: tuple[str, ...], settlements: tuple[str, ...]) -> Any:
    """An account that may hold everything: two coins, four expiries drawn at random."""
    from hedgeopt.models.margin.state import State
    from hedgeopt.models.pricing.black76 import black76_price as price
    from hedgeopt.models.pricing.families import natures

    days = np.sort(rng.uniform(1.0, 300.0, 4))
    items: list[dict[str, Any]] = []
    for coin, spot in _SPOT.items():
        for settled in settlements:
            for kind in kinds:
                nature = natures()[kind]
                for expiry in days if nature.expires else (np.nan,):
                    forward = spot * (1.0 + 3e-4 * expiry if nature.expires else 1.0)
                    common = {"kind": kind, "coin": coin, "settled": settled, "days": expiry, "forward": forward}
                    if nature.payoff == "linear":
                        items.append({**common, "strike": np.nan, "call": False, "vol": np.nan, "mark": forward})
                        continue
                    for strike in spot * rng.choice([0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.6], 3, replace=False):
                        for call in (True, False):
                            vol = 0.5 + 0.3 * abs(np.log(strike / forward))
                            usd = float(price(forward, strike, expiry / 365.0, vol, np.array(call)))
                            mark = usd / forward if settled == "coin" else usd
                            items.append({**common, "strike": strike, "call": call, "vol": vol, "mark": mark})
    n = len(items)

    def column(name: str) -> np.ndarray:
        return np.array([item[name] for item in items], float)

    inverse = np.array([item["settled"] == "coin" for item in items])
    index = np.array([_SPOT[item["coin"]] for item in items])
    option = np.array([item["kind"] == "option" for item in items])
    value = np.where(option, column("mark") * np.where(inverse, index, 1.0), 0.0)
    return State(
        venue="deribit", account="drawn", names=tuple(f"i{k}" for k in range(n)),
        nature=tuple(natures()[item["kind"]] for item in items),
        underlying=tuple(item["coin"] for item in items),
        settlement=tuple(item["coin"] if inv else item["settled"] for item, inv in zip(items, inverse, strict=True)),
        inverse=inverse, index=index, settlement_price=np.where(inverse, index, 1.0), mark=column("mark"), value=value,
        forward=column("forward"), strike=column("strike"), years=column("days") / 365.0, vol=column("vol"),
        is_call=np.array([item["call"] for item in items], bool), open_interest=np.full(n, 1e5),
        assets=("USDC",), prices=np.ones(1), funding=np.full(n, 1e-4),
    )  # fmt: skip


def books(rng: np.random.Generator, state: Any, count: int) -> Iterator[np.ndarray]:
    """Positions (R,)."""
    usd = np.where(state.option, state.index, np.where(state.notional > 0, state.notional, 1.0))
    for _ in range(count):
        held = rng.choice(len(state), min(len(state), int(rng.integers(2, 31))), replace=False)
        z = np.zeros(len(state))
        z[held] = rng.standard_normal(len(held)) * 10.0 ** rng.uniform(4, 8.3) / len(held) / usd[held]
        yield np.abs(z) * rng.choice([-1.0, 1.0]) if rng.random() < 0.2 else z


def looseness(model: Any, state: Any, z: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """(place, per cent above the plain rule) of one book, both kinds of margin."""
    posted, after = np.zeros(len(state.assets)), z * (1.0 + rng.uniform(-1.0, 1.0, len(z)) / 3.0)
    reach = np.maximum(np.abs(z), np.abs(after))
    for kind in ("initial", "maintenance"):
        encoding = model.encode(state, kind)
        used = (z, encoding.at(z)), (after, encoding.at(z, reach)), (z, encoding.at(0.0 * z, reach))
        for place, (at, one) in zip(PLACES, used, strict=True):
            y = np.concatenate([at, posted])
            if any(abs(float(cap.row @ y)) > cap.limit for cap in one.caps) and place != PLACES[0]:
                continue  # the program lets no book go there
            if one.largest is not None and (np.abs(at) > one.largest).any():
                continue  # nor beyond the bracket of its leverage
            plain = model.requirement(state, at, posted).of(kind)
            if plain > 1.0:
                yield place, 100.0 * (one(at, posted) / plain - 1.0)


def records(smoke: bool) -> Iterator[dict[str, Any]]:
    """One a rule: minimum, first decile, median, ninth decile and worst in each place."""
    for name, (model, kinds, settlements) in rules().items():
        rng = np.random.default_rng(15)
        found: dict[str, list[float]] = {place: [] for place in PLACES}
        for _ in range(2 if smoke else 20):
            state = state_for(rng, kinds, settlements)
            for z in books(rng, state, 2 if smoke else 10):
                for place, above in looseness(model, state, z, rng):
                    found[place].append(above)
        yield {"case": "looseness", "rule": name, **{place: _spread(values) for place, values in found.items()}}


def _spread(values: list[float]) -> dict[str, float]:
    names = ("minimum", "first decile", "median", "ninth decile", "worst")
    told = np.quantile(values, [0.0, 0.1, 0.5, 0.9, 1.0]) if values else np.full(len(names), np.nan)
    return {"compared": len(values), **dict(zip(names, told.tolist(), strict=True))}


def main() -> None:
    """Write the table of docs/margin.md."""
    lines = ["| rule | at the anchor: median, worst | after trades: median, ninth decile, worst | from nothing: likewise |"]
    lines += ["|---|---|---|---|"]
    for one in records(smoke=False):
        first, *others = (one[place] for place in PLACES)
        cells = [f"{_said(first['median'])}, {_said(first['worst'])}"]
        cells += [", ".join(_said(part[name]) for name in ("median", "ninth decile", "worst")) for part in others]
        lines.append(f"| {one['rule']} | {' | '.join(cells)} |")
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_MARK.sub(lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text), encoding="utf-8")


def _said(above: float) -> str:
    return "0" if abs(above) < 0.005 else f"{above:.2g}" if abs(above) < 1 else f"{above:.0f}"


if __name__ == "__main__":
    main()
