"""Which quoted instruments a policy may trade, and what their orders cost besides quotes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgeopt.files.names import advice
from hedgeopt.files.record import Record
from hedgeopt.models.pricing.families import hedge_kinds, quoted_kinds

__all__ = ["Candidates"]


def _quoted(kinds: tuple[str, ...]) -> tuple[str, ...]:
    for kind in kinds:
        if kind not in quoted_kinds():
            raise ValueError(f"unknown kind {kind!r}: {advice(kind, quoted_kinds())}")
    return kinds


class Candidates(Record):
    """Which quoted instruments may be traded."""

    kinds: Annotated[tuple[str, ...], AfterValidator(_quoted)] = Field(
        default=hedge_kinds(), description="instrument families that markets quote"
    )
    underlyings: tuple[str, ...] = Field(default=(), description="asset codes; empty: those of the book's positions")
    names: tuple[str, ...] = Field(default=(), description="instrument names, * allowed; empty: any")
    do_not_trade: tuple[str, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="instrument names, * allowed, that are never traded, held or not",
    )
    trade_in: tuple[str, ...] = Field(
        default=(),
        exclude_if=lambda value: not value,
        description="accounts or tags, * allowed, where hedges may be traded and from which collateral may move; limits "
        "count the whole book; empty: every tradable account",
    )
    two_sided: bool = Field(default=True, description="only instruments with both a bid and an ask")
    min_days: float = Field(default=1.0, ge=0, description="shortest time to expiry")
    max_days: float = Field(default=400.0, gt=0, description="longest time to expiry")
    min_delta: float = Field(default=0.02, ge=0, lt=0.5, description="options between this and one minus it, absolute")
    max_relative_spread: float = Field(default=0.5, gt=0, description="largest (ask - bid) / mid of an option")
    held: bool = Field(
        default=True,
        description="positions already held can always be closed; the filters apply to new hedges only",
    )
    max_order_notional: float = Field(
        default=25_000_000.0,
        gt=0,
        allow_inf_nan=False,
        description="USD of underlying per trade where no limit of the policy is tighter; keeps every trade bounded",
    )
    mark_half_spread: float | None = Field(
        default=None,
        ge=0,
        lt=0.1,
        description="half-spread, as a share of price, assumed for futures and perpetuals that carry a mark but no quotes; "
        "none: they are not traded",
    )
    fees: Literal["taker", "maker"] = Field(
        default="taker",
        exclude_if=lambda value: value == "taker",
        description="fees of the venue's table that orders pay; half-spreads count in full either way",
    )
    ticket: float | None = Field(
        default=None,
        ge=0,
        le=1e6,
        exclude_if=lambda value: value is None,
        description="USD that an order costs whatever its size; where it is given (0 too), gas of pools and fixed costs of "
        "transfers count in the objective as well, and trades are whole lots; none: fixed costs are shown, not counted",
    )
    transfers: bool = Field(default=True, description="whether collateral may move along the book's links")
    paused_venues: tuple[str, ...] = Field(
        default=(), description="venues that are halted now: nothing trades there, and collateral posted there stays"
    )
