"""Holdings of a book for the terminal: positions, loans, and vega and gamma by tenor."""

from __future__ import annotations

from rich.console import RenderableType

from hedgeopt.measures.risk import RiskReport
from hedgeopt.reports.fitted import FittedTable
from hedgeopt.reports.words import number

__all__ = ["holdings_tables"]

_MOST = 25


def holdings_tables(report: RiskReport) -> list[RenderableType]:
    """Tables of a risk report that are not empty."""
    parts = (_tenors(report), _loans(report), _positions(report))
    return [part for part in parts if part is not None]


def _tenors(report: RiskReport) -> FittedTable | None:
    rows = [
        (name, asset, profile)
        for name, by_asset in report.tenors.items()
        for asset, profile in by_asset.items()
        if any(profile.values())
    ]
    if not rows:
        return None
    keys = list(rows[0][2])
    shown = FittedTable(
        "Vega and gamma by days to expiry",
        ("greek", "left"),
        ("asset", "left"),
        *((key, "right") for key in keys),
        drop=keys[::-1],
    )
    for name, asset, profile in rows:
        shown.add_row(name, asset, *(number(profile[key]) for key in keys))
    return shown


def _loans(report: RiskReport) -> FittedTable | None:
    if not report.loans:
        return None
    shown = FittedTable(
        f"Loans ({report.unit}, prices in USD; leverage: supplied over equity; direction: net exposure over equity)",
        ("account", "left"),
        ("supplied", "right"),
        ("borrowed", "right"),
        ("health", "right"),
        ("leverage", "right"),
        ("direction", "right"),
        ("net exposure", "left"),
        ("liquidated at", "left"),
        drop=("direction", "leverage", "borrowed", "supplied", "net exposure"),
    )
    for loan in report.loans:
        shown.add_row(
            loan.account,
            number(loan.supplied),
            number(loan.borrowed),
            _or_dash(loan.health_factor),
            _or_dash(loan.leverage),
            _or_dash(loan.directional_leverage),
            "\n".join(f"{asset} {number(usd)}" for asset, usd in loan.exposure.items()),
            "\n".join(f"{asset} {number(price)}" for asset, price in loan.liquidation_price.items()) or "–",
        )
    return shown


def _positions(report: RiskReport) -> FittedTable | None:
    if not report.positions:
        return None
    largest = sorted(report.positions, key=lambda position: -max(abs(position.value), position.notional))[:_MOST]
    more = len(report.positions) - len(largest)
    rest = f", the largest {_MOST}; {more} more" if more else ""
    title = f"Positions ({report.unit}; carry received per day; IL: impermanent loss){rest}"
    shown = FittedTable(
        title,
        ("account", "left"),
        ("position", "left"),
        ("quantity", "right"),
        ("value", "right"),
        ("delta", "left"),
        ("carry", "right"),
        ("IL", "right"),
        drop=("IL", "carry", "value", "delta"),
    )
    for position in largest:
        deltas = ((asset, greeks["delta"]) for asset, greeks in position.greeks.items() if "delta" in greeks)
        lost = position.impermanent_loss
        shown.add_row(
            position.account,
            position.name,
            number(position.quantity),
            number(position.value),
            "\n".join(f"{asset} {number(delta)}" for asset, delta in deltas),
            number(position.carry),
            "" if lost is None else f"{number(lost)} ({number(100 * (position.impermanent_share or 0.0), 3)} %)",
        )
    return shown


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
