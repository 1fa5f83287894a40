"""Risk numbers of a book, before and after trades."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any, ClassVar

import numpy as np

from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import plain_number
from hedgeopt.measures.counted import in_units
from hedgeopt.measures.positions import PositionRisk, position_risks
from hedgeopt.measures.tags import TagRisk, tag_risks
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.margin.effects import account_collateral, equity_after
from hedgeopt.models.margin.unknown import requirement_unknown
from hedgeopt.models.pegs import is_directional, is_peg
from hedgeopt.models.pricing.family import GREEKS, greek
from hedgeopt.models.risk.cvar import tail_loss, value_at_risk
from hedgeopt.models.risk.leverage import row_exposure
from hedgeopt.models.risk.loans import LoanRisk, loans
from hedgeopt.models.risk.tenor_buckets import KEY_DAYS, tenor_profile

__all__ = ["AccountRisk", "RiskReport", "risk_report", "scenario_losses"]


@dataclass(frozen=True)
class AccountRisk:
    """One account: equity and margin in the report's unit; ``net_transaction_delta`` in coins (Deribit: DeltaTotal).

    Margin is NaN (null in JSON) where it is unknown.
    """

    name: str
    venue: str
    equity: float
    initial_margin: float
    maintenance_margin: float
    net_transaction_delta: dict[str, float]

    @property
    def utilisation(self) -> float:
        """Initial margin over equity; infinite when margin is required of no equity, NaN when it is unknown."""
        if isnan(self.initial_margin):
            return nan
        if self.equity > 0:
            return self.initial_margin / self.equity
        return 0.0 if self.initial_margin == 0 else float("inf")


@strict_class
@dataclass(frozen=True)
class RiskReport:
    """The book in numbers; where the policy counts in another asset than the dollar, "USD" below is a unit of that.

    Attributes
    ----------
    equity
        USD, all accounts.
    greeks
        By asset and Greek, units of :data:`hedgeopt.models.pricing.family.GREEK_UNITS`; delta counts posted coins.
    value_at_risk, cvar
        USD loss over the horizon by confidence level.
    expected_pnl
        Mean scenario P&L, USD.
    stress
        USD P&L by stress scenario (negative is a loss), before costs.
    gross_leverage
        Absolute delta exposure over equity; None when equity is not positive.
    carry
        USD received over the horizon if nothing moves (theta apart).
    tenors
        Vega and gamma by asset and key date; see :mod:`hedgeopt.models.risk.tenor_buckets`.
    impermanent_loss
        USD that liquidity positions have lost against holding, fees apart; None without such positions.
    loans
        Health, leverage and true exposure of each account with debts or deposits in lending pools.
    positions
        One entry per position held.
    tags
        The same for the accounts of each tag, where the book has tags.
    unit, unit_price
        What amounts count in, and its price today, USD.
    """

    MAY_BE_INFINITE: ClassVar[bool] = True

    equity: float
    greeks: dict[str, dict[str, float]]
    value_at_risk: dict[str, float]
    cvar: dict[str, float]
    expected_pnl: float
    stress: dict[str, float]
    gross_leverage: float | None
    carry: float
    accounts: tuple[AccountRisk, ...]
    tenors: dict[str, dict[str, dict[str, float]]]
    impermanent_loss: float | None
    loans: tuple[LoanRisk, ...]
    positions: tuple[PositionRisk, ...]
    tags: tuple[TagRisk, ...] = ()
    unit: str = "USD"
    unit_price: float = 1.0

    def __repr__(self) -> str:
        """One line: equity, the worst CVaR and the worst stress."""
        name, usd = self.worst_stress
        tail = f", CVaR {max(self.cvar)} {plain_number(self.cvar[max(self.cvar)])}" if self.cvar else ""
        count = len(self.positions)
        worst = f"worst stress {name} {plain_number(usd)}"
        return f"RiskReport(equity {plain_number(self.equity)} {self.unit}{tail}, {worst}, {many(count, 'position')})"

    @property
    def worst_stress(self) -> tuple[str, float]:
        """Name and P&L of the worst stress scenario."""
        if not self.stress:
            return "none", 0.0
        name = min(self.stress, key=lambda key: self.stress[key])
        return name, self.stress[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def scenario_losses(e: Exposures, trades: np.ndarray | None = None) -> np.ndarray:
    """(S,) USD loss of the book in each scenario, after trades when given."""
    pnl = e.base_pnl if trades is None else e.base_pnl + e.pnl @ trades
    return -pnl


@strict_call
def risk_report(
    exposures: Exposures,
    trades: np.ndarray | None = None,
    *,
    cost: float = 0.0,
    levels: tuple[float, ...] = (0.95, 0.99),
    key_days: tuple[float, ...] = KEY_DAYS,
) -> RiskReport:
    """Add up the book, after trades x (N,) and their ``cost`` in USD when given; ``key_days`` set the tenor buckets.

    In units of the exposures' numeraire. Without a sample (``expose(..., sampled=False)``) there is no tail:
    ``value_at_risk`` and ``cvar`` are empty, and ``expected_pnl`` is NaN.
    """
    x = np.zeros(exposures.n_candidates) if trades is None else trades
    z = exposures.positions(x)
    losses = scenario_losses(exposures, x) if exposures.n_candidates else scenario_losses(exposures)
    sampled = exposures.scenarios is None or not exposures.scenarios.still
    levels = levels if sampled else ()
    equity = float(exposures.equity.sum()) - cost
    gross = float(row_exposure(exposures, "delta") @ np.abs(z))
    stress = _stress(exposures, x)
    reported = [a for a, asset in enumerate(exposures.assets) if asset not in dollar_assets() and _own_column(asset)]
    positions = position_risks(exposures, z)
    lost = [item.impermanent_loss for item in positions if item.impermanent_loss is not None]
    report = RiskReport(
        equity=equity,
        greeks={exposures.assets[a]: _asset_greeks(exposures, a, x) for a in reported},
        value_at_risk={f"{level:g}": value_at_risk(losses, level, exposures.probabilities) for level in levels},
        cvar={f"{level:g}": tail_loss(losses, level, exposures.probabilities) for level in levels},
        expected_pnl=-float(np.average(losses, weights=exposures.probabilities)) if sampled else nan,
        stress=dict(zip(exposures.stress, stress.tolist(), strict=True)),
        gross_leverage=gross / equity if equity > 0 else None,
        carry=float(exposures.rows.carry @ z) * exposures.horizon_days,
        accounts=tuple(_account(exposures, c, x, z) for c in range(len(exposures.accounts))),
        tenors={
            name: {
                exposures.assets[a]: tenor_profile(exposures, z, name, a, key_days)
                for a in reported
                if not is_peg(exposures.assets[a])
            }
            for name in ("vega", "gamma")
        },
        impermanent_loss=sum(lost) if lost else None,
        loans=loans(exposures, z),
        positions=positions,
        tags=tag_risks(exposures, x),
    )
    return in_units(report, exposures.numeraire)


def _stress(e: Exposures, x: np.ndarray) -> np.ndarray:
    """(K,) P&L, dollars, as the policy counts it."""
    if e.numeraire is None:
        return e.stress_base + (e.stress_pnl @ x if e.n_candidates else 0.0)
    parts = (e.stress_gain(k) for k in range(len(e.stress)))
    return np.array([float(accounts.sum() + per_trade @ x) for accounts, per_trade, _ in parts])


def _own_column(asset: str) -> bool:
    """Whether Greeks are listed for it; a token's are listed at its underlying and its peg factor."""
    return is_directional(asset) or is_peg(asset)


def _asset_greeks(e: Exposures, asset: int, x: np.ndarray) -> dict[str, float]:
    held = e.rows.greeks[:, :, asset] @ e.rows.quantity
    held[greek("delta")] += e.coin_delta[:, asset].sum()
    return dict(zip(GREEKS, (held + e.trade_greeks[:, :, asset] @ x).tolist(), strict=True))


def _paid_in(item: Any, asset: str) -> bool:
    """Whether its mark was paid in this coin; Deribit's definition is of derivatives, deposits keep their delta."""
    return item.nature.paid == "premium" and item.settlement == asset


def _account(e: Exposures, account: int, x: np.ndarray, z: np.ndarray) -> AccountRisk:
    mine = e.rows.account == account
    need, unknown = e.margins.requirement(account, z, account_collateral(e, account, x)), requirement_unknown(e, account, z)
    ntd: dict[str, float] = {}
    for a, asset in enumerate(e.assets):
        if asset in dollar_assets() or not is_directional(asset):
            continue
        delta = e.rows.greeks[greek("delta"), mine, a]
        coin_premium = np.array(
            [e.rows.premium[row] if _paid_in(e.rows.instruments[row], asset) else 0.0 for row in np.flatnonzero(mine)]
        )
        ntd[asset] = float((delta - coin_premium) @ z[mine])
    return AccountRisk(
        name=e.accounts[account],
        venue=e.venues[account],
        equity=equity_after(e, account, x),
        initial_margin=nan if unknown else need.initial,
        maintenance_margin=nan if unknown else need.maintenance,
        net_transaction_delta=ntd,
    )
