"""Liquidation cascade: loans below health 1 sell collateral into pools and push the price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record, as_record
from hedgeopt.files.table_file import read_table
from hedgeopt.models.scenarios.edit import scaled_price
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["Cascade", "Loan", "Sales", "cascade_price", "read_loans", "with_cascade"]


class Loan(Record):
    """Loans of one kind, added up: collateral of the cascade's asset against dollar debt."""

    collateral: float = Field(gt=0, allow_inf_nan=False, description="units of the asset")
    debt: float = Field(ge=0, allow_inf_nan=False, description="USD")
    threshold: float = Field(gt=0, le=1, description="liquidation threshold: share of collateral value that covers debt")
    bonus: float = Field(default=0.05, ge=0, lt=1, description="liquidator's discount")
    close_factor: float = Field(default=0.5, gt=0, le=1, description="share of debt repaid while 0.95 < health < 1")


class Cascade(Record):
    """Forced sales of one asset in every scenario of a base set."""

    asset: str = Field(min_length=1, description="collateral that is sold")
    loans: tuple[Loan, ...] = Field(default=(), description="loans secured by the asset")
    loans_file: str | None = Field(default=None, description="CSV of collateral,debt,threshold[,bonus,close_factor]")
    reserve: float = Field(gt=0, allow_inf_nan=False, description="units of the asset in the pools that take the sales")
    scale_with_depth: bool = Field(default=True, description="multiply the reserve by the scenario's depth")
    spill: dict[str, float] = Field(
        default_factory=dict, description="by asset, the share of the log price push that reaches it"
    )

    @model_validator(mode="after")
    def _loans_somewhere(self) -> Cascade:
        if not self.loans and self.loans_file is None:
            raise ValueError("a cascade needs loans or loans_file")
        return self


def read_loans(path: str | Path) -> tuple[Loan, ...]:
    """Loans from a CSV with the columns of :class:`Loan`; an InputError names the first bad row."""
    from pydantic import ValidationError

    from hedgeopt.files.reading import validation_line

    loans = []
    for row, values in enumerate(read_table(path, "loans").to_dict("records"), start=2):
        try:
            loans.append(as_record(Loan, {str(k): v for k, v in values.items()}))
        except ValidationError as error:
            raise validation_line(error, path, f"line {row}") from None
    return tuple(loans)


@dataclass(frozen=True)
class Sales:
    """Units sold at price p, ``value(p) / p + units(p)``, as step functions of p that fall as p rises.

    A loan with debt B, collateral C and threshold T has health 1 at ``p* = B / (C T)``. Below p* its liquidators repay
    ``close_factor B``, below ``0.95 p*`` all of B, and sell ``repaid (1 + bonus) / p`` units, at most C.
    """

    at: np.ndarray
    value: np.ndarray
    units: np.ndarray

    @classmethod
    def of(cls, loans: tuple[Loan, ...]) -> Sales:
        """Steps of all loans: at each price in ``at`` (sorted) the sum of changes that hold strictly below it."""
        steps: list[tuple[float, float, float]] = []
        for loan in loans:
            edge = loan.debt / (loan.collateral * loan.threshold)
            part, whole = (loan.debt * share * (1.0 + loan.bonus) for share in (loan.close_factor, 1.0))
            below, before = 0.95 * edge, (0.0, 0.0)
            # walk down the prices at which the sale changes its form: p*, 0.95 p*, and where the collateral runs out
            for price in sorted(
                {edge, below, min(part / loan.collateral, edge), min(whole / loan.collateral, below)}, reverse=True
            ):
                owed = part if price > below else whole
                now = (owed, 0.0) if price > owed / loan.collateral else (0.0, loan.collateral)
                steps.append((price, now[0] - before[0], now[1] - before[1]))
                before = now
        table = np.array(sorted(steps)) if steps else np.zeros((0, 3))
        above = table[::-1, 1:].cumsum(axis=0)[::-1]
        return cls(table[:, 0], np.append(above[:, 0], 0.0), np.append(above[:, 1], 0.0))

    def __call__(self, price: np.ndarray) -> np.ndarray:
        """(S,) units sold at ``price`` (S,)."""
        k = np.searchsorted(self.at, price, side="right")
        return np.asarray(self.value[k] / price + self.units[k])


def cascade_price(
    price: np.ndarray, reserve: np.ndarray, sales: Sales, *, tolerance: float = 1e-12, rounds: int = 100_000
) -> np.ndarray:
    """(S,) price after the cascade: the greatest fixed point of ``p = price * (reserve / (reserve + sales(p)))**2``.

    A constant-product pool that takes s units at reserve x moves its price by ``(x / (x + s))**2``. Sales do not fall as p
    falls, so the map is increasing and the iteration from ``price`` downwards is monotone and stops at the first fixed
    point it meets (Tarski): the mildest outcome consistent with the rules.

    Raises
    ------
    InputError
        When the iteration has not settled after ``rounds``.
    """
    now = np.array(price, float)
    active = np.arange(len(now))
    for _ in range(rounds):
        x = reserve[active]
        after = price[active] * (x / (x + sales(now[active]))) ** 2
        after = np.minimum(after, now[active])
        moving = now[active] - after > tolerance * now[active]
        now[active] = after
        active = active[moving]
        if len(active) == 0:
            return now
    raise InputError(
        f"cascade has not settled after {rounds} rounds", field="scenarios.cascade", fix="check loans and reserve"
    )


def with_cascade(scenarios: ScenarioSet, cascade: Cascade, price_now: float, vol_beta: float) -> ScenarioSet:
    """The base set with the forced sales' push on the asset, and on others by ``spill``; vol follows the extra fall."""
    loans = cascade.loans + (read_loans(cascade.loans_file) if cascade.loans_file else ())
    base = price_now * scenarios.price_factor(cascade.asset)
    depth = (
        scenarios.liquidity.get("depth", np.ones(len(scenarios))) if cascade.scale_with_depth else np.ones(len(scenarios))
    )
    factor = cascade_price(base, cascade.reserve * np.maximum(depth, 1e-6), Sales.of(loans)) / base
    hit = float((factor < 1.0 - 1e-9) @ scenarios.weights)
    deepest = 100 * (1 - factor.min())
    note = f"liquidation cascade in {cascade.asset}: {100 * hit:.3g} % of scenarios, deepest push {deepest:.3g} %"
    scenarios = scaled_price(scenarios, cascade.asset, factor, vol_beta=vol_beta, notes=(note,))
    for asset, share in cascade.spill.items():
        if asset in scenarios.assets:
            scenarios = scaled_price(scenarios, asset, factor**share, vol_beta=vol_beta)
    return scenarios
