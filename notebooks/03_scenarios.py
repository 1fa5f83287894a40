# %% [markdown]
# # One crash day through every scenario set
#
# 5 February 2026: BTC fell from 73,000 to 63,000 USD and its 30-day vol reached 88 %. A desk is short strangles. What does each
# way of drawing scenarios say about tomorrow? The data are recorded market data in `../shared/data` (or `HEDGEOPT_SHARED_DATA`).

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import hedgeopt as ho
from hedgeopt.models.scenarios.calibrate import fit_regimes
from hedgeopt.models.scenarios.config import draw
from hedgeopt.models.scenarios.config import RegimeScenarios
from hedgeopt.models.scenarios.estimate import estimate_surface_response, estimate_vol_response, smile_points
from hedgeopt.models.scenarios.history import cut_windows, read_prices
from hedgeopt.models.scenarios.joint import read_series
from hedgeopt.scenario_tables import describe_table, list_sets, sample_table
from hedgeopt.solve import expose

data = Path(os.environ.get("HEDGEOPT_SHARED_DATA", "../shared/data"))
daily = data / "prices-daily" / "coinbase_daily_btc_eth_20200101_20250930.csv"
hourly = data / "prices-hourly" / "btc_eth_hourly_20220213_20250212.parquet"
market = ho.read_market(data / "deribit-chains" / "snapshot_crash_20260205.csv")
coins = ["BTC", "ETH"]
{coin: (round(market.price(coin)), round(market.atm_vol(coin, 30), 3)) for coin in coins}

# %% [markdown]
# ## What the data say
# The answer of vol to spot from DVOL and closes; of skew and term structure from the daily chains.

# %%
prices = read_prices(daily, coins)
vol_fit = estimate_vol_response(prices["BTC"], read_series(data / "dvol" / "dvol_daily_btc_20221106_20250930.csv"))
chain = pd.read_parquet(data / "deribit-chains" / "daily_liquid_dev_20251230_20260531.parquet")
known = chain[(chain["currency"] == "BTC") & (chain["timestamp"] <= market.timestamp)]
surface_fit = estimate_surface_response(smile_points(known))
print(vol_fit)
print(surface_fit)

# %%
regimes = fit_regimes(cut_windows(prices, 1).log_return)
print({name: value for name, value in vars(regimes).items() if not isinstance(value, np.ndarray)})
pd.Series(regimes.liquidation_probability, prices.index[1:]).nlargest(6).round(2)

# %% [markdown]
# ## The samples
# Each is 20,000 scenarios of one day, at the vols the chain implied that evening.

# %%
answer = {**vol_fit.settings(), **surface_fit.settings(), "count": 20_000, "seed": 5}
loans = [{"collateral": 60_000, "debt": price * 60_000 * 0.83, "threshold": 0.83} for price in np.linspace(1_300, 1_750, 10)]
settings = {
    "Student-t": ho.ParametricScenarios(**answer),
    "regimes": RegimeScenarios(**answer),
    "history": ho.HistoricalScenarios(prices=str(daily), **answer),
    "history, filtered": ho.HistoricalScenarios(prices=str(daily), filtered=True, **answer),
    "history, hourly": ho.HistoricalScenarios(prices=str(hourly), **answer),
    "regimes and cascade": RegimeScenarios(cascade={"asset": "ETH", "loans": loans, "reserve": 2e7, "spill": {"BTC": 0.5}}, **answer),
    "tilted": RegimeScenarios(views=[{"kind": "tail", "asset": "BTC", "below": -0.1, "probability": 0.06}], **answer),
    "venue may fail": RegimeScenarios(
        events=[{"kind": "venue_pause", "venue": "deribit", "asset_fall": "BTC", "fall": 0.12, "probability": 0.3, "recovery": 0.5}],
        **answer,
    ),
}
samples = {name: draw(s, coins, market) for name, s in settings.items()}
pd.concat({name: describe_table(s) for name, s in samples.items()}).round(3)

# %%
figure, axes = plt.subplots(2, 4, figsize=(14, 6), sharex=True, sharey=True)
for axis, (name, s) in zip(axes.flat, samples.items()):
    size = 4 * s.weights / s.weights.mean()
    axis.scatter(100 * (s.spot_factor[:4_000, 0] - 1), 100 * (s.spot_factor[:4_000, 1] - 1), s=size[:4_000], alpha=0.4, linewidths=0)
    axis.set(title=name, xlim=(-40, 30), ylim=(-50, 40))
    axis.axline((0, 0), slope=1, color="grey", linewidth=0.5)
figure.supxlabel("BTC, %")
figure.supylabel("ETH, %");

# %%
figure, axis = plt.subplots(figsize=(8, 4))
levels = np.linspace(0.0005, 0.2, 200)
for name, s in samples.items():
    order = np.argsort(s.spot_factor[:, 0])
    reached = np.cumsum(s.weights[order])
    axis.plot(100 * levels, 100 * (np.interp(levels, reached, s.spot_factor[order, 0]) - 1), label=name)
axis.set(xscale="log", xlabel="probability, %", ylabel="BTC falls by at least, %", title="Left tails over one day")
axis.legend(fontsize=8);

# %% [markdown]
# ## The desk's loss
# The same book, revalued in full in each sample.

# %%
def listed(coin: str, days: float, ratio: float, right: str) -> str:
    """The option nearest to a tenor and moneyness."""
    options = [i for i in market.instruments.values() if i.kind == "option" and i.underlying == coin and i.right == right]
    target = market.price(coin) * ratio
    return min(options, key=lambda i: (abs(365 * i.years_from(market.timestamp) - days) // 4, abs(i.strike - target))).name


book = ho.Book(
    accounts=(
        ho.Account(
            name="desk",
            venue="deribit",
            collateral=(ho.Collateral(asset="BTC", amount=100), ho.Collateral(asset="ETH", amount=1_500)),
            positions=(
                ho.Position(instrument=listed("BTC", 22, 1.15, "call"), quantity=-150),
                ho.Position(instrument=listed("BTC", 22, 0.85, "put"), quantity=-150),
                ho.Position(instrument=listed("ETH", 22, 0.8, "put"), quantity=-2_000),
            ),
        ),
    )
)
rows = {}
for name, s in settings.items():
    policy = ho.Policy(minimize=ho.CVaR(0.99), scenarios=s)
    report = ho.risk_report(expose(book, market, policy, trades=False))
    rows[name] = {"VaR 99 %": report.value_at_risk["0.99"], "CVaR 99 %": report.cvar["0.99"], "expected": report.expected_pnl}
pd.DataFrame(rows).T.round(-3)

# %% [markdown]
# ## Named stresses
# Every number of the table has a source or is marked as having none.

# %%
list_sets()

# %%
stress = {
    "grids": [{"spot": [-0.3, -0.15, 0.15, 0.3], "vol": [0.8, 1.0, 1.5]}],
    "scenarios": [
        {"name": "venue pays half", "spot": {"*": -0.2}, "vol": {"*": 1.4}, "events": [{"kind": "venue_pause", "venue": "deribit", "recovery": 0.5}]}
    ],
}
report = ho.risk_report(expose(book, market, ho.Policy(minimize=ho.CVaR(0.99), stress=stress), trades=False))
losses = pd.Series(report.stress).sort_values()
figure, axis = plt.subplots(figsize=(8, 6))
axis.barh(losses.index, losses / 1e6)
axis.set(xlabel="P&L, million USD", title="The same book in every named stress");

# %% [markdown]
# The five worst scenarios of the sample with a liquidation cascade:

# %%
sample_table(samples["regimes and cascade"], 5, worst_of="ETH").round(5)
