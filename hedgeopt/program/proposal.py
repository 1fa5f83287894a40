"""A proposal: certified trades, and the book before and after them, for people to review."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.errors import CertificateError
from hedgeopt.files.writing import write_atomically
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.risk import RiskReport, risk_report, scenario_losses
from hedgeopt.models.arrays import Exposures
from hedgeopt.program.certificate import Certificate, allowance, relative_violation
from hedgeopt.program.plain_limits import by_plain_rule, plain_value
from hedgeopt.reports.margin import AccountMargin, account_margin

if TYPE_CHECKING:
    from hedgeopt.program.program import Program
    from hedgeopt.program.solution import Multipliers, Solution

__all__ = ["Proposal", "assemble", "finite"]

_BINDING = 1e-6


@dataclass(frozen=True)
class Proposal:
    """The answer to a policy.

    Attributes
    ----------
    trades : DataFrame
        One row per trade: account, instrument, side, quantity, unit, price (the quote it would hit, quote unit), notional,
        premium (USD paid, negative received), cost (USD), fee (USD, part of cost), delta, gamma, vega (change of the
        book's).
    limits : DataFrame
        One row per limit: value before and after, bound, unit, whether it binds, shadow price (USD per unit of limit).
    certificate : Certificate
    before, after : RiskReport
        ``after`` counts trading costs in equity.
    costs
        USD by part: half-spread, fees, carry over the horizon.
    objective
        The objective by term, before and after.
    transfers : DataFrame
        One row per transfer of collateral: link, asset, amount, usd, cost, fixed_cost (USD, not optimised), delay_hours.
    margins
        Per account that has positions or debts: margin before and after, now and in every stress; see
        :class:`hedgeopt.reports.margin.AccountMargin`.
    binding_sizes
        Instruments at a size limit, by the limit's name.
    seconds
        Per stage.
    notes
        Assumptions made where data were missing.
    proof
        What a verifier needs beside the limits' shadow prices: scenario weights per CVaR term, other multipliers that prove
        more, with links the choices of what leaves that are all there are, and how many constraints were added by hand
        (which no file tells of).
    """

    created: datetime
    book: str
    policy: Policy
    source: str
    scenarios: str
    trades: pd.DataFrame
    transfers: pd.DataFrame
    limits: pd.DataFrame
    margins: tuple[tuple[AccountMargin, AccountMargin], ...]
    certificate: Certificate
    before: RiskReport
    after: RiskReport
    costs: Mapping[str, float]
    objective: pd.DataFrame
    binding_sizes: Mapping[str, list[str]]
    seconds: dict[str, float]
    notes: tuple[str, ...]
    statistics: Mapping[str, Any]
    market: Market = field(repr=False)
    exposures: Exposures = field(repr=False)
    x: np.ndarray = field(repr=False)
    program: Program = field(repr=False)
    proof: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def losses(self) -> tuple[np.ndarray, np.ndarray]:
        """(S,) USD losses before and after."""
        return scenario_losses(self.exposures), scenario_losses(self.exposures, self.x)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        return {
            "created": self.created.isoformat(),
            "book": self.book,
            "market": self.source,
            "scenarios": self.scenarios,
            "policy": self.policy.model_dump(mode="json"),
            "trades": self.trades.to_dict(orient="records"),
            "transfers": self.transfers.to_dict(orient="records"),
            "limits": self.limits.to_dict(orient="records"),
            "margins": [{"before": asdict(before), "after": asdict(after)} for before, after in self.margins],
            "certificate": self.certificate.to_dict(),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "costs": dict(self.costs),
            "objective": self.objective.to_dict(orient="records"),
            "binding_sizes": dict(self.binding_sizes),
            "solver": dict(self.statistics),
            "seconds": self.seconds,
            "notes": list(self.notes),
            "proof": dict(self.proof),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as JSON text, without NaN or infinity."""
        return json.dumps(finite(self.to_dict()), indent=2, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """A self-contained page with tables and plots."""
        from hedgeopt.reports.page import proposal_page

        return proposal_page(self)

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``proposal.json`` and ``proposal.html`` into ``folder``: both or none."""
        folder = Path(folder)
        paths = folder / "proposal.json", folder / "proposal.html"
        write_atomically({paths[0]: self.to_json(), paths[1]: self.to_html()})
        return paths


def assemble(
    book: Book,
    market: Market,
    policy: Policy,
    program: Program,
    e: Exposures,
    solution: Solution,
    seconds: dict[str, float],
) -> Proposal:
    """Put a solution into the form that people read."""
    x = solution.trades
    trades, transfers = _trades(e, x), _transfers(e, x)
    if not np.array_equal(listed(e, trades, transfers), x):
        raise CertificateError("the list of trades and transfers is not the one that was certified; report this")
    cost = float(e.cost_buy @ np.maximum(x, 0) + e.cost_sell @ np.maximum(-x, 0))
    fee = float(e.fee @ np.abs(x))
    after = risk_report(e, x, cost=cost)
    before = risk_report(e)
    names = [e.rows.instruments[row].name for row in e.candidate]
    statistics = {
        key: value for key, value in solution.statistics.items() if isinstance(value, int | float | str) or key == "attempts"
    }
    return Proposal(
        created=market.timestamp,
        book=book.name,
        policy=policy,
        source=market.source,
        scenarios=f"{len(e.base_pnl):,} {policy.scenarios.kind} over {e.horizon_days:g} days, seed {policy.scenarios.seed}",
        trades=trades,
        transfers=transfers,
        limits=_limits(program, e, solution),
        margins=tuple((account_margin(e, c), account_margin(e, c, x)) for c in range(len(e.accounts))),
        certificate=solution.certificate,
        before=before,
        after=after,
        costs={"half_spread": cost - fee, "fees": fee, "transaction": cost, "carry": -after.carry},
        objective=_objective(program, e, x),
        binding_sizes={name: [names[i] for i in at] for name, at in solution.binding_sizes.items()},
        seconds=seconds,
        notes=e.notes,
        statistics=statistics,
        market=market,
        exposures=e,
        x=x,
        program=program,
        proof=_proof(program, e, solution),
    )


def _proof(program: Program, e: Exposures, solution: Solution) -> dict[str, Any]:
    """Multipliers that the table of limits does not hold, sparse; with links those of every choice of what leaves."""
    several: list[Multipliers] = list(solution.proofs)
    numbers = {id(proof): k for k, proof in enumerate(several)}
    branches = []
    for leaf in solution.leaves:
        for proof in leaf.proofs:
            if id(proof) not in numbers:
                numbers[id(proof)] = len(several)
                several.append(proof)
        shut, used = ([[e.accounts[c], e.assets[a]] for c, a in sorted(nodes)] for nodes in (leaf.shut, leaf.used))
        branches.append({"shut": shut, "used": used, "multipliers": [numbers[id(proof)] for proof in leaf.proofs]})
    return {
        "tails": _tails(program, solution.tails),
        "multipliers": [
            {
                "limits": [
                    {"limit": name, "sense": sense, "bound": bound, "shadow_price": price}
                    for name, sense, bound, price in proof.prices
                ],
                "tails": _tails(program, proof.tails),
            }
            for proof in several
        ],
        "branches": branches,
        "added_constraints": len(program.added),
    }


def _tails(program: Program, tails: Mapping[int, np.ndarray]) -> list[dict[str, Any]]:
    found = []
    for term, bound in program.bound_terms():
        weights = tails.get(id(bound.expression))
        if weights is not None:
            kept = np.flatnonzero(weights > 0)
            pair = {"scenarios": kept.tolist(), "weights": weights[kept].tolist()}
            found.append({"term": term.model_dump(mode="json"), **pair})
    return found


def listed(e: Exposures, trades: pd.DataFrame, transfers: pd.DataFrame) -> np.ndarray:
    """(N,) what the tables of a proposal ask for, read back from them alone."""
    x = np.zeros(e.n_candidates)
    items = [e.rows.instruments[row] for row in e.candidate]
    sent = set(e.links.candidate.tolist())
    accounts = [e.accounts[e.rows.account[row]] for row in e.candidate]
    where = {(accounts[i], item.name): i for i, item in enumerate(items) if i not in sent}
    link = {(items[i].source, items[i].target, items[i].asset, items[i].bridge): i for i in sent}
    for row in trades.to_dict(orient="records"):
        x[where[row["account"], row["instrument"]]] += row["quantity"] * (1.0 if row["side"] == "buy" else -1.0)
    for row in transfers.to_dict(orient="records"):
        bridge = row["bridge"] if isinstance(row["bridge"], str) else None  # pandas writes NaN where only some have one
        x[link[row["source"], row["target"], row["asset"], bridge]] += row["amount"]
    return x


def _trades(e: Exposures, x: np.ndarray) -> pd.DataFrame:
    sent = np.isin(np.arange(e.n_candidates), e.links.candidate)
    kept = np.flatnonzero((x != 0.0) & ~sent)
    items = [e.rows.instruments[row] for row in e.candidate[kept]]
    rows = e.candidate[kept]
    traded = x[kept]
    buys = traded > 0
    quote = np.where(buys, e.rows.ask[rows], e.rows.bid[rows])
    unit_delta = e.trade_greeks[:, kept, :]
    frame = pd.DataFrame(
        {
            "account": [e.accounts[e.rows.account[row]] for row in rows],
            "instrument": [item.name for item in items],
            "side": np.where(buys, "buy", "sell"),
            "quantity": np.abs(traded),
            "unit": [_unit(item) for item in items],
            "price": np.where(np.isnan(quote), e.rows.mark[rows], quote),
            "notional": np.abs(traded) * e.rows.notional[rows],
            "premium": traded * e.rows.premium[rows] * e.rows.settlement_price[rows],
            "cost": np.where(buys, e.cost_buy[kept], e.cost_sell[kept]) * np.abs(traded),
            "fee": e.fee[kept] * np.abs(traded),
            "delta": [unit_delta[0, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
            "gamma": [unit_delta[1, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
            "vega": [unit_delta[2, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
        }
    )
    return frame.sort_values("notional", ascending=False, ignore_index=True)


def _unit(item: Any) -> str:
    """What one unit of quantity is, in a word: the family's text covers inverse and linear contracts alike."""
    if item.nature.option:
        return "contract"
    if item.nature.payoff != "linear":
        return str(item.nature.unit)
    return "USD" if item.nature.inverse and item.inverse else str(item.assets[0])


def _transfers(e: Exposures, x: np.ndarray) -> pd.DataFrame:
    kept = [i for i in e.links.candidate.tolist() if x[i] != 0.0]
    items = [e.rows.instruments[e.candidate[i]] for i in kept]
    return pd.DataFrame(
        {
            "source": [item.source for item in items],
            "target": [item.target for item in items],
            "asset": [item.asset for item in items],
            "amount": x[kept],
            "usd": x[kept] * e.rows.notional[e.candidate[kept]],
            "cost": x[kept] * e.cost_buy[kept],
            "fixed_cost": [item.fixed_cost for item in items],
            "delay_hours": [item.delay_hours for item in items],
            "bridge": [item.bridge for item in items],
        }
    )


def _limits(program: Program, e: Exposures, solution: Solution) -> pd.DataFrame:
    off = program.off
    program.switch(frozenset(), compile=False)  # the solution's rules, whichever branch was solved last
    nothing = np.zeros(e.n_candidates)
    before = {side.name: side for side in by_plain_rule(program.policy, e, nothing, program.sides(e, nothing))}
    program.switch(off, compile=False)
    after = by_plain_rule(program.policy, e, solution.trades, solution.sides)
    return pd.DataFrame(
        [
            {
                "limit": side.name,
                "before": old.value,
                "after": told.value,
                "bound": side.limit,
                "sense": "<=" if side.sign > 0 else ">=",
                "unit": side.unit,
                "binding": abs(relative_violation(side)) <= _BINDING,
                "shadow_price": side.dual,
                "breached_before": old.violation > allowance(old),
            }
            for old, told, side in (
                (before[told.name], told, side) for told, side in zip(after, solution.sides, strict=True)
            )
            if not side.sizing or side.dual > 0.0 or abs(relative_violation(side)) <= _BINDING
        ],
        columns=["limit", "before", "after", "bound", "sense", "unit", "binding", "shadow_price", "breached_before"],
    )


def _objective(program: Program, e: Exposures, x: np.ndarray) -> pd.DataFrame:
    nothing = np.zeros(e.n_candidates)
    return pd.DataFrame(
        [
            {
                "term": term.name,
                "weight": weight,
                "unit": term.unit,
                "before": plain_value(term, bound, e, nothing),
                "after": plain_value(term, bound, e, x),
            }
            for weight, term, bound in program.objective_terms
        ]
    )


def finite(value: Any) -> Any:
    """NaN and infinities as null: JSON has neither."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
