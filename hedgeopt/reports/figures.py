"""Figures of a proposal for notebooks: ``proposal.plot.pnl()`` and others, matplotlib figures drawn from its data alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_call
from hedgeopt.files.names import advice
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pricing.family import GREEK_UNITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hedgeopt.program.proposal import Proposal

__all__ = ["Plots"]

_BEFORE, _AFTER = "0.55", "C0"
_GREEKS = ("delta", "gamma", "vega", "theta")
_BARS = 25


class Plots:
    """What can be drawn of a proposal; every method returns a new ``matplotlib.figure.Figure``, which a notebook shows.

    Raises
    ------
    InputError
        Where matplotlib is not installed, or an older file did not record the numbers.
    """

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal

    def __repr__(self) -> str:
        names = [name for name in vars(type(self)) if not name.startswith("_")]
        return f"Plots of {self._proposal!r}: {', '.join(names)}"

    @strict_call
    def pnl(self, *assets: str) -> Figure:
        """P&L against the move of each underlying (or those named), before and after trading."""
        drawn = {one.asset: one for one in self._figures().profiles}
        for asset in assets:
            if asset not in drawn:
                raise InputError("has no profile here", field="asset", value=asset, fix=advice(str(asset), drawn))
        chosen = [drawn[asset] for asset in assets or drawn]
        figure, axes = _panels(max(len(chosen), 1), 4.2, 3.0)
        for at, one in zip(axes, chosen, strict=False):
            at.axhline(0.0, color="0.3", linewidth=0.6)
            at.plot(100.0 * one.moves, one.before, color=_BEFORE, label="before")
            at.plot(100.0 * one.moves, one.after, color=_AFTER, label="after")
            at.set(xlabel=f"{one.asset} move, %", ylabel=f"P&L, {self._proposal.unit}", title=one.asset)
            at.legend(frameon=False)
        return figure

    @strict_call
    def losses(self) -> Figure:
        """The distribution of scenario losses before and after, with CVaR marked."""
        one = self._figures().losses
        figure, (at,) = _panels(1, 8.0, 3.2)
        for heights, tail, color, name in zip(
            (one.before, one.after), one.cvar, (_BEFORE, _AFTER), ("before", "after"), strict=True
        ):
            at.stairs(heights, one.edges, color=color, fill=True, alpha=0.35, label=name)
            at.axvline(tail, color=color, linestyle="--", label=f"CVaR {100 * one.level:g} % {name}")
        at.set(xlabel=f"loss over the horizon, {self._proposal.unit}", ylabel="scenarios, %", title=self._proposal.scenarios)
        at.legend(frameon=False)
        return figure

    @strict_call
    def greeks(self) -> Figure:
        """Net Greeks by underlying, before and after; one panel per Greek."""
        before, after = self._proposal.before.greeks, self._proposal.after.greeks
        assets = [asset for asset in before if asset not in dollar_assets()]
        figure, axes = _panels(len(_GREEKS), 3.0, 2.8)
        rows = np.arange(len(assets))
        for at, name in zip(axes, _GREEKS, strict=True):
            at.barh(rows + 0.2, [before[a][name] for a in assets], 0.38, color=_BEFORE, label="before")
            at.barh(rows - 0.2, [after[a][name] for a in assets], 0.38, color=_AFTER, label="after")
            at.axvline(0.0, color="0.3", linewidth=0.6)
            at.set_yticks(rows, assets)
            at.set_title(f"{name}, {GREEK_UNITS[name]}", fontsize=9)
        axes[0].legend(frameon=False, fontsize=8)
        return figure

    @strict_call
    def trades(self) -> Figure:
        """Notional of each trade, buys to the right and sells to the left; the largest 25."""
        table = self._proposal.trades.head(_BARS)
        signs = np.where(table["side"] == "buy", 1.0, -1.0)
        figure, (at,) = _panels(1, 8.0, 0.8 + 0.26 * max(len(table), 1))
        rows = np.arange(len(table))[::-1]
        at.barh(rows, signs * table["notional"] / self._proposal.after.unit_price, color=np.where(signs > 0, "C0", "C3"))
        at.set_yticks(rows, table["instrument"])
        at.axvline(0.0, color="0.3", linewidth=0.6)
        left = len(self._proposal.trades) - len(table)
        at.set(
            xlabel=f"notional, {self._proposal.unit} (sells to the left)",
            title=f"the largest {_BARS}; {left} more" if left > 0 else "trades",
        )
        return figure

    @strict_call
    def stresses(self) -> Figure:
        """P&L of each stress scenario, before and after, worst first; the worst 25."""
        before, after = self._proposal.before.stress, self._proposal.after.stress
        names = sorted(before, key=lambda name: before[name])[:_BARS]
        figure, (at,) = _panels(1, 8.0, 0.8 + 0.3 * max(len(names), 1))
        rows = np.arange(len(names))[::-1]
        at.barh(rows + 0.2, [before[name] for name in names], 0.38, color=_BEFORE, label="before")
        at.barh(rows - 0.2, [after[name] for name in names], 0.38, color=_AFTER, label="after")
        at.set_yticks(rows, names)
        at.axvline(0.0, color="0.3", linewidth=0.6)
        at.set(xlabel=f"P&L, {self._proposal.unit}")
        at.legend(frameon=False)
        return figure

    @strict_call
    def limits(self) -> Figure:
        """How much of each limit is used before and after, per cent of its bound; limits at 0 are left out."""
        table = self._proposal.limits
        table = table[table["bound"] != 0.0]
        figure, (at,) = _panels(1, 8.0, 0.8 + 0.3 * max(len(table), 1))
        rows = np.arange(len(table))[::-1]
        for name, color, offset in (("before", _BEFORE, 0.2), ("after", _AFTER, -0.2)):
            at.barh(rows + offset, np.clip(100.0 * table[name] / table["bound"], -50, 250), 0.38, color=color, label=name)
        at.axvline(100.0, color="C3", linewidth=1.0)
        at.set_yticks(rows, table["limit"] + " " + table["sense"])
        at.set(xlabel="per cent of the bound, cut at 250")
        at.legend(frameon=False)
        return figure

    def _figures(self) -> Any:
        found = self._proposal.figures
        if found is None:
            fix = "solve again: proposals of the first version hold no numbers of plots"
            raise InputError("was not recorded", file="proposal", field="figures", fix=fix)
        return found


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    require_extra("matplotlib", "drawing charts")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    for at in axes:
        at.spines[["top", "right"]].set_visible(False)
    return figure, axes
