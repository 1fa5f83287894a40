"""A risk report in the units that the policy counts in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hedgeopt.models.numeraire import Numeraire
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import GREEK_UNITS

if TYPE_CHECKING:
    from hedgeopt.measures.risk import RiskReport

__all__ = ["in_units"]

_Greeks = dict[str, dict[str, float]]


def in_units(report: RiskReport, unit: Numeraire | None) -> RiskReport:
    """The report with every amount of dollars in units of the numeraire; prices and what is at stake in pegs stay in USD."""
    if unit is None:
        return report
    n = unit.price

    def all_of(amounts: dict[str, float]) -> dict[str, float]:
        return {name: amount / n for name, amount in amounts.items()}

    def greeks(held: _Greeks) -> _Greeks:
        return {
            a: own if is_peg(a) else {g: unit.told(x, GREEK_UNITS[g]) for g, x in own.items()} for a, own in held.items()
        }

    def money(amount: float | None) -> float | None:
        return None if amount is None else amount / n

    return replace(
        report,
        equity=report.equity / n,
        greeks=greeks(report.greeks),
        value_at_risk=all_of(report.value_at_risk),
        cvar=all_of(report.cvar),
        expected_pnl=report.expected_pnl / n,
        stress=all_of(report.stress),
        carry=report.carry / n,
        accounts=tuple(
            replace(
                one,
                equity=one.equity / n,
                initial_margin=one.initial_margin / n,
                maintenance_margin=one.maintenance_margin / n,
            )
            for one in report.accounts
        ),
        tenors={name: {a: all_of(x) if name == "vega" else x for a, x in by.items()} for name, by in report.tenors.items()},
        impermanent_loss=money(report.impermanent_loss),
        loans=tuple(
            replace(
                one,
                supplied=one.supplied / n,
                borrowed=one.borrowed / n,
                equity=one.equity / n,
                exposure=all_of(one.exposure),
            )
            for one in report.loans
        ),
        positions=tuple(
            replace(
                one,
                value=one.value / n,
                notional=one.notional / n,
                carry=one.carry / n,
                greeks=greeks(one.greeks),
                impermanent_loss=money(one.impermanent_loss),
            )
            for one in report.positions
        ),
        unit=unit.asset,
        unit_price=n,
    )
