"""P&L, tails and delta of a book in terms of another asset than the dollar.

A book worth V dollars is V/N units of the numeraire, whose price is N. In a scenario with dollar P&L P it gains
``(V + P) / N_s - V / N`` units over the horizon, in dollars of today's N

    (V + P) f - V,        f = N / N_s,

linear in trades, as what is bought is paid for at once: a trade's P&L becomes f times its own. The delta to the numeraire
falls by V/N: a book of nothing but that coin has none. Stress arrays stay in dollars, because margin rules read them;
:meth:`~hedgeopt.models.arrays.Exposures.stress_gain` gives them in terms of the numeraire. Limits on terms, objective and
reports count in its units (:mod:`hedgeopt.models.numeraire`); margin, sizes of orders and transfers count in dollars, as
venues do, and reports show margin in both.
"""

from __future__ import annotations

from dataclasses import replace

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.numeraire import Numeraire, gain_in
from hedgeopt.models.pegs import is_peg, moved_by
from hedgeopt.models.pricing.market_arrays import MarketArrays
from hedgeopt.models.pricing.spot import price_slopes

__all__ = ["columns_of", "in_numeraire"]


def columns_of(asset: str | None, market: MarketArrays) -> tuple[str, ...]:
    """Columns that move a numeraire, which exposures hold whether or not the book does; none for dollars.

    Raises
    ------
    InputError
        For an asset that the market does not price.
    """
    if asset is None or asset == "USD":
        return ()
    columns = moved_by(asset)
    try:
        for name in (asset, *columns):
            market.price(name)
    except InputError:
        known = ["USD", *(name for name in market.prices if not is_peg(name))]
        raise InputError(
            "is priced by neither book nor market", file="policy", field="numeraire", value=asset, fix=advice(asset, known)
        ) from None
    return columns


def in_numeraire(exposures: Exposures, asset: str) -> Exposures:
    """The exposures as counted in ``asset``: sample P&L and delta in dollars of its price today; USD changes nothing."""
    e = exposures
    if asset == "USD" or e.scenarios is None:
        return e
    price, equity = e.market.price(asset), e.equity
    factor = 1.0 / e.scenarios.price_factor(asset)
    total = float(equity.sum())
    delta = e.coin_delta.copy()
    for column, slope in price_slopes(asset, e.market).items():
        delta[:, e.assets.index(column)] -= equity / price * slope
    note = (
        f"P&L, tail, stress, delta, costs and limits count in {asset} at {price:,.6g} USD: equity is {total / price:,.6g} "
        f"{asset}; limits of margin and of order sizes count in dollars, as venues do"
    )
    return replace(
        e,
        base_pnl=gain_in(total, e.base_pnl, factor),
        pnl=e.pnl * factor[:, None],
        account_pnl=None if e.account_pnl is None else gain_in(equity, e.account_pnl, factor[:, None]),
        collateral_delta=delta,
        notes=(*e.notes, note),
        numeraire=Numeraire(asset, price, 1.0 / e.margins.stress.price_factor(asset)),
    )
