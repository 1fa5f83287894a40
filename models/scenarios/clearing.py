"""Counterparties that owe each other: Eisenberg–Noe clearing over shared collateral."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field, model_validator

from hedgeopt.errors import InputError
from hedgeopt.files.record import Record
from hedgeopt.models.scenarios.edit import scaled_price
from hedgeopt.models.scenarios.set import ScenarioSet

__all__ = ["Clearing", "Liability", "Node", "clear", "clearing_vector", "with_clearing"]


class Node(Record):
    """A venue, lender or desk with assets of its own."""

    name: str = Field(min_length=1, description="a venue of the book, or any counterparty")
    cash: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="USD")
    holdings: dict[str, float] = Field(default_factory=dict, description="units of each asset held")


class Liability(Record):
    """A debt of one node to another, or to the rest of the world."""

    debtor: str
    creditor: str | None = Field(default=None, description="a node; none: outside the network, such as customers")
    amount: float = Field(gt=0, allow_inf_nan=False, description="USD")


class Clearing(Record):
    """A network of liabilities, cleared in every scenario."""

    nodes: tuple[Node, ...] = Field(min_length=1)
    liabilities: tuple[Liability, ...] = Field(min_length=1)
    reserves: dict[str, float] = Field(
        default_factory=dict,
        description="by asset, units in the pools that absorb sales of nodes in need; without one, no impact",
    )

    @model_validator(mode="after")
    def _known_names(self) -> Clearing:
        names = [node.name for node in self.nodes]
        if len(set(names)) != len(names):
            raise ValueError("two nodes have the same name")
        for item in self.liabilities:
            if item.debtor not in names or (item.creditor is not None and item.creditor not in names):
                raise ValueError(f"liability of {item.debtor!r} to {item.creditor!r} names no node")
        for node in self.nodes:
            for asset, units in node.holdings.items():
                if units < 0:
                    raise ValueError(f"{node.name} holds less than nothing of {asset}")
        if any(units <= 0 for units in self.reserves.values()):
            raise ValueError("reserves must be positive")
        return self


def clearing_vector(
    owed: np.ndarray, outside: np.ndarray, assets: np.ndarray, *, tolerance: float = 1e-13, rounds: int = 100_000
) -> np.ndarray:
    """Payments by node: the greatest fixed point of ``p = min(p_bar, assets + Pi^T p)`` (Eisenberg and Noe 2001, eq. 5).

    Parameters
    ----------
    owed : (n, n)
        ``owed[i, j]`` is what i owes j, USD.
    outside : (n,)
        What i owes to others than nodes, of equal rank.
    assets : (n,) or (S, n)
        USD of assets other than claims on nodes, at least 0.

    Returns
    -------
    (n,) or (S, n)
        Payments; Picard iteration from ``p_bar`` is monotone, so it stops at the greatest fixed point.

    Raises
    ------
    InputError
        For negative input, or when the iteration has not settled.
    """
    if (owed < 0).any() or (outside < 0).any() or (assets < 0).any():
        raise InputError("liabilities and assets must not be negative", field="scenarios.clearing")
    full = owed.sum(axis=1) + outside
    share = owed / np.where(full > 0, full, 1.0)[:, None]
    paid = np.broadcast_to(full, assets.shape).copy()
    for _ in range(rounds):
        after = np.minimum(full, assets + _received(paid, share))
        change = np.abs(paid - after).max(initial=0.0)
        paid = after
        if change <= tolerance * full.max(initial=1.0):
            return paid
    raise InputError(f"clearing has not settled after {rounds} rounds", field="scenarios.clearing")


def _received(paid: np.ndarray, share: np.ndarray) -> np.ndarray:
    """``paid @ share`` added node by node, so that it rounds alike on every machine."""
    total = np.zeros_like(paid)
    for i in range(share.shape[0]):
        total += paid[..., i : i + 1] * share[i]
    return total


@dataclass(frozen=True)
class Cleared:
    """Share paid of what each node owes (S, n) in [0, 1], and the push of fire sales on each asset (S, K)."""

    recovery: np.ndarray
    price_factor: np.ndarray
    assets: tuple[str, ...]


def clear(network: Clearing, prices: dict[str, np.ndarray], *, tolerance: float = 1e-12, rounds: int = 10_000) -> Cleared:
    """Clear the network at asset prices (S,), with fire sales of shared collateral.

    A node whose cash and receipts fall short of what it owes sells the same share ``f`` of everything it holds, up to all;
    the pool of each asset answers with ``q = (x / (x + sold))**2``. Payments fall with q and sales rise with both, so
    iteration from full payment and q = 1 descends to the greatest fixed point (Cifuentes, Ferrucci and Shin 2005 in form).
    """
    names = [node.name for node in network.nodes]
    n, count = len(names), len(next(iter(prices.values()))) if prices else 1
    owed, outside = np.zeros((n, n)), np.zeros(n)
    for item in network.liabilities:
        if item.creditor is None:
            outside[names.index(item.debtor)] += item.amount
        else:
            owed[names.index(item.debtor), names.index(item.creditor)] += item.amount
    full = owed.sum(axis=1) + outside
    share = owed / np.where(full > 0, full, 1.0)[:, None]
    cash = np.array([node.cash for node in network.nodes])
    assets = tuple(sorted({asset for node in network.nodes for asset in node.holdings}))
    units = np.array([[node.holdings.get(asset, 0.0) for asset in assets] for node in network.nodes]).reshape(n, len(assets))
    factor = np.ones((count, len(assets)))
    paid = np.tile(full, (count, 1))
    for _ in range(rounds):
        worth = np.zeros((count, n))
        for k, asset in enumerate(assets):
            worth += (prices[asset] * factor[:, k])[:, None] * units[:, k]
        received = _received(paid, share)
        after = np.minimum(full, cash + worth + received)
        need = np.maximum(full - cash - received, 0.0)
        sold = np.where(need > 0, np.minimum(need / np.where(worth > 0, worth, 1.0), 1.0), 0.0)
        pushed = np.ones_like(factor)
        for k, asset in enumerate(assets):
            if asset in network.reserves:
                x = network.reserves[asset]
                pushed[:, k] = (x / (x + (sold * units[:, k]).sum(axis=1))) ** 2
        change = max(np.abs(after - paid).max() / full.max(), np.abs(pushed - factor).max(initial=0.0))
        paid, factor = after, pushed
        if change <= tolerance:
            return Cleared(np.where(full > 0, paid / np.where(full > 0, full, 1.0), 1.0), factor, assets)
    raise InputError(f"clearing has not settled after {rounds} rounds", field="scenarios.clearing")


def with_clearing(scenarios: ScenarioSet, network: Clearing, prices_now: dict[str, float], vol_beta: float) -> ScenarioSet:
    """The base set with each node's recovery, for accounts at a venue of that name, and the fire sales' push on prices."""
    prices = {asset: price * scenarios.price_factor(asset) for asset, price in prices_now.items()}
    done = clear(network, prices or {"": np.ones(len(scenarios))})
    for k, asset in enumerate(done.assets):
        if (done.price_factor[:, k] < 1.0).any():
            scenarios = scaled_price(scenarios, asset, done.price_factor[:, k], vol_beta=vol_beta)
    recovery = dict(scenarios.recovery)
    notes = list(scenarios.notes)
    for i, node in enumerate(network.nodes):
        recovery[node.name] = recovery.get(node.name, 1.0) * done.recovery[:, i]
        failing = float((done.recovery[:, i] < 1.0 - 1e-9) @ scenarios.weights)
        if failing > 0:
            notes.append(
                f"{node.name} fails in {100 * failing:.3g} % of scenarios, paying {done.recovery[:, i].min():.3g} at worst"
            )
    return replace(scenarios, recovery=recovery, notes=tuple(notes))
