"""The tail taken apart: which scenarios, by factor and trade, what stays unhedged and why; ladders; liquidation prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.effects import account_collateral, equity_after
from hedgeopt.models.margin.margins import moved
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.risk.cvar import tail_loss
from hedgeopt.models.scenarios.set import ScenarioSet
from hedgeopt.program.explain.case import Case, case_of
from hedgeopt.program.proposal import Proposal

__all__ = ["TailAnatomy", "tail_anatomy"]

_SPOT = np.round(np.arange(-0.5, 0.501, 0.1), 10)
_VOL = np.array([-0.3, 0.0, 0.3, 0.6])
_SHOWN = 50
_BUMP, _VOL_BUMP = 0.01, 0.01


@strict_class
@dataclass(frozen=True, eq=False)
class TailAnatomy:
    """The CVaR of a list, taken apart; money in USD.

    Attributes
    ----------
    level, before, after
        CVaR without trades and with them.
    scenarios : DataFrame
        The worst after trading: scenario (number or label), weight (in the CVaR; they add up to 1), loss_before, loss_after,
        and the move of every coin and of its vol.
    factors : DataFrame
        coin, factor (spot, vol, rest), before, after: what each adds to the CVaR, the weights of each tail held. Spot is
        the P&L, revalued, of the coin's move alone; vol is what its vols' move adds; rest is what is left.
    trades : DataFrame
        instrument, account, tail: what each trade adds to the CVaR after trading (negative takes off), cost.
    unhedged : DataFrame
        coin, tail (what stays of the CVaR from its spot and vol), why: no instrument, a limit, or too dear with its price.
    ladder : DataFrame
        coin, spot, vol (relative moves; of 30 days), before, after (P&L), delta, gamma, vega (after trading, per
        coin and vol point of 30 days), margin_left (least over accounts of equity less maintenance, after trading).
    liquidation : DataFrame
        account, coin, and the prices below and above which the account is liquidated when that coin alone moves, before and
        after; NaN: not within a move of 90 %.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    level: float
    before: float
    after: float
    scenarios: pd.DataFrame = field(repr=False)
    factors: pd.DataFrame
    trades: pd.DataFrame = field(repr=False)
    unhedged: pd.DataFrame = field(repr=False)
    ladder: pd.DataFrame = field(repr=False)
    liquidation: pd.DataFrame = field(repr=False)

    def summary(self) -> list[str]:
        """At most ten lines."""
        lines = [f"CVaR {self.level:g}: {plain_number(self.before)} USD before, {plain_number(self.after)} after"]
        for row in self.factors.sort_values("after", ascending=False).head(4).to_dict("records"):
            lines.append(
                f"{row['coin']} {row['factor']}: {plain_number(row['before'])} of it before, "
                f"{plain_number(row['after'])} after"
            )
        for row in self.unhedged.to_dict("records")[:3]:
            lines.append(f"{row['coin']}: {plain_number(row['tail'])} stays; {row['why']}")
        for row in self.liquidation.to_dict("records")[:2]:
            lines.append(
                f"{row['account']} is liquidated with {row['coin']} below {plain_number(row['down_after'])} or above "
                f"{plain_number(row['up_after'])}"
            )
        return [line.replace("nan", "no price within 90 %") for line in lines[:10]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tables = ("scenarios", "factors", "trades", "unhedged", "ladder", "liquidation")
        return {"summary": self.summary(), "level": self.level, "before": self.before, "after": self.after,
                **{name: getattr(self, name).to_dict("records") for name in tables}}  # fmt: skip

    def __repr__(self) -> str:
        return f"TailAnatomy(CVaR {self.level:g} {plain_number(self.before)} to {plain_number(self.after)} USD)"


@strict_call
def tail_anatomy(
    proposal: Proposal, *, book: Book | None = None, market: Market | None = None, level: float = 0.99
) -> TailAnatomy:
    """Take the tail of a proposal apart; a stored one needs the inputs that it was solved from.

    Raises
    ------
    InputError
    """
    if not 0.0 < level < 1.0:
        raise InputError("is no level", field="tail_anatomy: level", value=level, fix="give 0.99")
    case = case_of(proposal, book, market)
    e, x = case.e, case.x
    losses = -e.base_pnl, -(e.base_pnl + e.pnl @ x)
    weights = [_weights(one, level, e.probabilities) for one in losses]
    coins = [a for a in e.assets if a not in dollar_assets() and not is_peg(a)]
    factors = _factors(case, coins, losses, weights)
    return TailAnatomy(
        level=level, before=tail_loss(losses[0], level, e.probabilities), after=tail_loss(losses[1], level, e.probabilities),
        scenarios=_scenarios(e, coins, losses, weights[1]), factors=factors, trades=_trades(case, weights[1]),
        unhedged=_unhedged(case, coins, factors, weights[1]),
        ladder=pd.concat([_ladder_of(case, coin) for coin in coins], ignore_index=True) if coins else pd.DataFrame(),
        liquidation=_liquidation(case, coins),
    )  # fmt: skip


def _weights(losses: np.ndarray, level: float, p: np.ndarray | None) -> np.ndarray:
    """(S,) of each scenario in the CVaR: the worst first, the one at the edge in part."""
    n = len(losses)
    cap = (np.full(n, 1.0 / n) if p is None else p) / (1.0 - level)
    order = np.argsort(-losses, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(cap[order])[:-1]])
    found = np.empty(n)
    found[order] = np.clip(1.0 - before, 0.0, cap[order])
    return found


def _scenarios(e: Exposures, coins: list[str], losses: tuple[np.ndarray, ...], q: np.ndarray) -> pd.DataFrame:
    at = np.flatnonzero(q)
    at = at[np.argsort(-losses[1][at], kind="stable")][:_SHOWN]
    labels = e.scenarios.labels if e.scenarios is not None else ()
    frame = pd.DataFrame({"scenario": [labels[k] if labels else int(k) for k in at], "weight": q[at],
                          "loss_before": losses[0][at], "loss_after": losses[1][at]})  # fmt: skip
    for coin in coins:
        spot, vol = _moves(e, coin)
        frame[f"{coin} spot"], frame[f"{coin} log vol"] = spot[at] - 1.0, vol[at]
    return frame


def _moves(e: Exposures, coin: str) -> tuple[np.ndarray, np.ndarray]:
    s = e.scenarios
    if s is None or coin not in s.assets:
        return np.ones(len(e.base_pnl)), np.zeros(len(e.base_pnl))
    column = s.assets.index(coin)
    return s.spot_factor[:, column], s.log_vol_shift[:, column]


def _alone(e: Exposures, coin: str, spot: np.ndarray, vol: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(G,) P&L of positions z and collateral where one coin and its vol move at once."""
    names = tuple(a for a in e.assets if a not in dollar_assets() and not is_peg(a))
    factor, shift = np.ones((len(spot), len(names))), np.zeros((len(spot), len(names)))
    factor[:, names.index(coin)], shift[:, names.index(coin)] = spot, vol
    unit = e.margins.revalue(ScenarioSet("one coin", names, factor, shift, horizon_days=0.0))
    column = e.asset(coin)
    coins = float(sum(account_collateral(e, c, x)[column] for c in range(len(e.accounts))))
    return np.asarray(unit @ z + coins * e.prices[column] * (spot - 1.0))


def _factors(case: Case, coins: list[str], losses: tuple[np.ndarray, ...], weights: list[np.ndarray]) -> pd.DataFrame:
    e, rows = case.e, []
    found: dict[tuple[str, str], list[float]] = {}
    rest = [float(q @ loss) for q, loss in zip(weights, losses, strict=True)]
    for which, x in enumerate((np.zeros(e.n_candidates), case.x)):
        q, z = weights[which], e.positions(x)
        tail = np.flatnonzero(q)
        for coin in coins:
            spot, vol = _moves(e, coin)
            by_spot = -float(q[tail] @ _alone(e, coin, spot[tail], np.zeros(len(tail)), z, x))
            both = -float(q[tail] @ _alone(e, coin, spot[tail], vol[tail], z, x))
            found.setdefault((coin, "spot"), []).append(by_spot)
            found.setdefault((coin, "vol"), []).append(both - by_spot)
            rest[which] -= both
    rows = [{"coin": coin, "factor": factor, "before": v[0], "after": v[1]} for (coin, factor), v in found.items()]
    rows.append({"coin": "all", "factor": "time, skew and the rest", "before": rest[0], "after": rest[1]})
    return pd.DataFrame(rows)


def _trades(case: Case, q: np.ndarray) -> pd.DataFrame:
    e, costs = case.e, case.e.trade_cost(case.x)
    rows = [{"instrument": case.name(i), "account": e.accounts[e.rows.account[e.candidate[i]]],
             "tail": -float(q @ e.pnl[:, i]) * float(case.x[i]), "cost": float(costs[i])}
            for i in np.flatnonzero(case.x).tolist()]  # fmt: skip
    return pd.DataFrame(rows, columns=["instrument", "account", "tail", "cost"]).sort_values("tail", ignore_index=True)


def _unhedged(case: Case, coins: list[str], factors: pd.DataFrame, q: np.ndarray) -> pd.DataFrame:
    """Per coin what stays, and why: by the candidate that takes most off the tail per dollar of cost."""
    e, rows = case.e, []
    paid = sum(p.weight for p in case.policy.minimize if "cvar" in p.term.kind)
    binding = {i for at in case.ideal.solution.binding_sizes.values() for i in at}
    priced = [s.name for s in case.ideal.solution.sides if s.dual > 0.0 and not s.sizing]
    per_unit = -(q @ e.pnl)
    for coin in coins:
        stays = float(factors.loc[factors["coin"] == coin, "after"].sum())
        mine = [i for i, row in enumerate(e.candidate.tolist()) if e.rows.instruments[row].assets[0] == coin]
        if not mine:
            rows.append({"coin": coin, "tail": stays, "why": "no instrument on it is a candidate"})
            continue
        cost = np.where(per_unit[mine] < 0.0, e.cost_buy[mine], e.cost_sell[mine])
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(cost > 0.0, np.abs(per_unit[mine]) / cost, 0.0)
        best = mine[int(np.argmax(gain))]
        told = f"{case.name(best)} takes {plain_number(float(gain.max()))} USD off the CVaR per USD of cost"
        worth = f"the policy pays 1 USD for {plain_number(1.0 / paid)}" if paid else "the policy does not pay for its CVaR"
        if best in binding:
            why = f"a size limit: {told}, and is traded as much as may be"
        elif paid and gain.max() > 1.0 / paid:
            why = f"limits ({', '.join(priced[:3]) or 'sizes'}): {told}; {worth}"
        else:
            why = f"too dear: {told}; {worth}"
        rows.append({"coin": coin, "tail": stays, "why": why})
    return pd.DataFrame(rows, columns=["coin", "tail", "why"])


def _ladder_of(case: Case, coin: str) -> pd.DataFrame:
    e, zero = case.e, np.zeros(case.e.n_candidates)
    spot, vol = (one.ravel() for one in np.meshgrid(1.0 + _SPOT, np.log1p(_VOL), indexing="ij"))
    before = _alone(e, coin, spot, vol, e.positions(zero), zero)
    z, price = e.positions(case.x), e.price(coin)

    def after(by: float = 0.0, more: float = 0.0) -> np.ndarray:
        return _alone(e, coin, spot + by, vol + more, z, case.x)

    here, up, down = after(), after(_BUMP), after(-_BUMP)
    step = _BUMP * price
    # a vol point is 0.01 of vol: of the at-the-money level, as a share of it
    level = _level(case, coin)
    return pd.DataFrame(
        {
            "coin": coin,
            "spot": np.round(spot - 1.0, 10),
            "vol": np.round(np.expm1(vol), 10),
            "before": before,
            "after": here,
            "delta": (up - down) / (2.0 * step),
            "gamma": (up - 2.0 * here + down) / step**2,
            "vega": (after(0.0, _VOL_BUMP) - here) / _VOL_BUMP * 0.01 / (level * np.exp(vol)),
            "margin_left": _margin_left(case, coin, spot, vol),
        }
    )


def _level(case: Case, coin: str) -> float:
    vols = [float(v) for row in case.e.rows.instruments if row.nature.option and row.underlying == coin
            for v in case.e.market.quoted("mark_iv", [row.id])]  # fmt: skip
    return float(np.nanmedian(vols)) if vols and np.isfinite(vols).any() else 0.5


def _margin_left(case: Case, coin: str, spot: np.ndarray, vol: np.ndarray) -> np.ndarray:
    return np.min([_room(case.e, c, case.x, coin, spot, vol) for c in range(len(case.e.accounts))], axis=0)


def _room(e: Exposures, c: int, x: np.ndarray, coin: str, spot: np.ndarray, vol: np.ndarray) -> np.ndarray:
    """(G,) equity less maintenance of an account where one coin moves."""
    names = tuple(a for a in e.assets if a not in dollar_assets() and not is_peg(a))
    factor, shift = np.ones((len(spot), len(names))), np.zeros((len(spot), len(names)))
    factor[:, names.index(coin)], shift[:, names.index(coin)] = spot, vol
    grid = ScenarioSet("one coin", names, factor, shift, horizon_days=0.0)
    unit, rows, z = e.margins.revalue(grid), e.margins.rows[c], e.positions(x)
    posted, start, model = account_collateral(e, c, x), equity_after(e, c, x), e.margins.models[c]
    found = np.empty(len(spot))
    for k in range(len(spot)):
        state = moved(e.margins.states[c], grid, k, unit[k, rows])
        equity = start + float(unit[k, rows] @ z[rows]) + float((state.prices - e.prices) @ posted)
        found[k] = equity - float(model.requirement(state, z[rows], posted).maintenance)
    return found


def _liquidation(case: Case, coins: list[str]) -> pd.DataFrame:
    e, rows = case.e, []
    moves = np.concatenate([np.linspace(-0.9, -0.02, 45), np.linspace(0.02, 0.9, 45)])
    for c, account in enumerate(e.accounts):
        for coin in coins:
            row: dict[str, Any] = {"account": account, "coin": coin, "price": e.price(coin)}
            for word, x in (("before", np.zeros(e.n_candidates)), ("after", case.x)):
                grid = np.concatenate([moves[:45], [0.0], moves[45:]])
                room = _room(e, c, x, coin, 1.0 + grid, np.zeros(len(grid)))
                row[f"down_{word}"] = _first(grid[45::-1], room[45::-1], e.price(coin))
                row[f"up_{word}"] = _first(grid[45:], room[45:], e.price(coin))
            rows.append(row)
    columns = ["account", "coin", "price", "down_before", "up_before", "down_after", "up_after"]
    return pd.DataFrame(rows, columns=columns)


def _first(grid: np.ndarray, room: np.ndarray, price: float) -> float:
    """The price at the first crossing, between points of the grid; NaN without one."""
    at = np.flatnonzero(room < 0.0)
    if not len(at):
        return float("nan")
    k = int(at[0])
    if k == 0:
        return price
    share = room[k - 1] / (room[k - 1] - room[k])
    return float(price * (1.0 + grid[k - 1] + share * (grid[k] - grid[k - 1])))
