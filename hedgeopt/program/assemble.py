"""Turn a solution into a proposal: tables of trades, transfers, limits and the objective, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgeopt.constraints.constraint import Side
from hedgeopt.errors import CertificateError
from hedgeopt.files.counted import many
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.policy import Policy
from hedgeopt.measures.cash import cash_tables, sent_by
from hedgeopt.measures.figures import figures
from hedgeopt.measures.margin import account_margin
from hedgeopt.measures.risk import risk_report
from hedgeopt.measures.sample import sample_words
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.fixed import fixed_costs
from hedgeopt.program.book_after import book_after
from hedgeopt.program.certificate import allowance, relative_violation
from hedgeopt.program.counted import certificate_as_told, side_as_told
from hedgeopt.program.plain_limits import by_plain_rule, plain_value
from hedgeopt.program.proposal import LIMITS, OBJECTIVE, TRADE_COSTS, TRADES, TRANSFERS, MarginChange, Proposal
from hedgeopt.program.provenance import scenario_digest, versions

if TYPE_CHECKING:
    from hedgeopt.program.program import Program
    from hedgeopt.program.solution import Multipliers, Solution

__all__ = ["assemble", "listed", "trades_table"]

_BINDING = 1e-6
_DAYS_AHEAD = 7


def assemble(
    book: Book,
    inputs: Mapping[str, str],
    policy: Policy,
    program: Program,
    e: Exposures,
    solution: Solution,
    seconds: dict[str, float],
) -> Proposal:
    """Turn a solution into a proposal; ``inputs`` are the digests of book, market and policy."""
    x = solution.trades
    trades, transfers = trades_table(e, x), _transfers(e, x)
    if not np.array_equal(listed(e, trades, transfers), x):
        raise CertificateError("the list of trades and transfers is not the one that was certified; report this")
    cost = float(e.trade_cost(x).sum())
    after = risk_report(e, x, cost=cost)
    unit = after.unit_price
    names = [e.rows.instruments[row].name for row in e.candidate]
    cash, margin = cash_tables(e, _DAYS_AHEAD, sent_by(e, x), x)
    return Proposal(
        created=datetime.fromisoformat(e.timestamp.isoformat()),
        book=book.name,
        source=e.market.source,
        scenarios=sample_words(policy, e),
        policy=policy.model_dump(mode="json"),
        trades=trades,
        trade_costs=_trade_costs(e, x, trades),
        transfers=transfers,
        limits=_limits(program, e, solution),
        margins=tuple(MarginChange(account_margin(e, c), account_margin(e, c, x)) for c in range(len(e.accounts))),
        certificate=certificate_as_told(solution.certificate, e.numeraire),
        before=risk_report(e),
        after=after,
        costs=_costs(e, x, unit, -after.carry, policy.candidates.ticket),
        objective=_objective(policy, program, e, x),
        binding_sizes={name: [names[i] for i in at] for name, at in solution.binding_sizes.items()},
        statistics={
            key: value
            for key, value in solution.statistics.items()
            if isinstance(value, int | float | str) or key == "attempts"
        },
        seconds=seconds,
        notes=(*e.notes, *_tickets_left_out(e, x, policy)),
        proof=_proof(program, e, solution),
        figures=figures(e, x),
        inputs=dict(inputs),
        versions=versions(),
        seed=policy.scenarios.seed,
        scenario_digest=scenario_digest(e.scenarios, e.margins.stress),
        book_after=book_after(book, e, x),
        cash_ahead=cash,
        margin_ahead=margin,
    ).as_read()


def _tickets_left_out(e: Exposures, x: np.ndarray, policy: Policy) -> list[str]:
    """A note where venues charge for each order and the policy counts no fixed costs."""
    if policy.candidates.ticket is not None:
        return []
    paid = fixed_costs(e, 0.0)
    paid[e.links.candidate] = 0.0
    if e.depth is not None:
        paid = paid - e.depth.gas
    usd, count = float(paid[x != 0.0].sum()), int(np.count_nonzero(paid[x != 0.0] > 0.0))
    if not usd > 0.0:
        return []
    orders = many(count, "order costs its", "orders cost their")
    return [f"{orders} venue's ticket, {usd:,.2f} USD in all, which is not counted: give candidates.ticket (0.0 does)"]


def _proof(program: Program, e: Exposures, solution: Solution) -> dict[str, Any]:
    """Multipliers that the table of limits lacks, sparse; with links, those of every branch."""
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
        weights = tails.get(id(bound.tail))
        if weights is not None:
            kept = np.flatnonzero(weights > 0)
            pair = {"scenarios": kept.tolist(), "weights": weights[kept].tolist()}
            found.append({"term": term.model_dump(mode="json"), **pair})
    return found


def listed(e: Exposures, trades: pd.DataFrame, transfers: pd.DataFrame) -> np.ndarray:
    """(N,) trades, read back from a proposal's tables alone."""
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


def trades_table(e: Exposures, x: np.ndarray) -> pd.DataFrame:
    """Trades x (N,) as :attr:`Proposal.trades` lists them, largest notional first."""
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
            "cost": e.trade_cost(x)[kept],
            "fee": e.trade_fee(x)[kept],
            "delta": [unit_delta[0, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
            "gamma": [unit_delta[1, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
            "vega": [unit_delta[2, i, e.asset(item.assets[0])] * traded[i] for i, item in enumerate(items)],
        }
    )
    return TRADES.frame(frame.sort_values("notional", ascending=False, ignore_index=True))


def _trade_costs(e: Exposures, x: np.ndarray, trades: pd.DataFrame) -> pd.DataFrame:
    """The cost of each listed trade by component, in the order of the list."""
    parts = e.cost_parts(x)
    row_of = {
        (e.accounts[e.rows.account[row]], e.rows.instruments[row].name): i for i, row in enumerate(e.candidate.tolist())
    }
    at = [row_of[key] for key in zip(trades["account"], trades["instrument"], strict=True)]
    listed = {"account": trades["account"].tolist(), "instrument": trades["instrument"].tolist()}
    return TRADE_COSTS.of({**listed, **{name: values[at].tolist() for name, values in parts.items()}})


def _costs(e: Exposures, x: np.ndarray, unit: float, carry: float, ticket: float | None) -> dict[str, float]:
    """Sums by component; depth and gas where there are ladders, fixed (gas in it) where the policy counts that."""
    parts = {name: float(values.sum()) / unit for name, values in e.cost_parts(x).items() if name != "carry"}
    more = {} if e.depth is None else {"depth": parts["depth"], "gas": parts["gas"]}
    if ticket is not None:
        more["fixed"] = float(fixed_costs(e, ticket)[x != 0.0].sum()) / unit
    total = float(e.trade_cost(x).sum()) / unit
    spread = total - parts["fee"] - parts["depth"]
    return {"half_spread": spread, "fees": parts["fee"], "transaction": total, "carry": carry, **more}


def _unit(item: Any) -> str:
    """Unit of one quantity, in a word: coins, or USD of an inverse contract; never contracts, whose size venues choose."""
    if item.nature.option:
        return str(item.underlying)
    if item.nature.payoff != "linear":
        return str(item.nature.unit)
    return "USD" if item.nature.inverse and item.inverse else str(item.assets[0])


def _transfers(e: Exposures, x: np.ndarray) -> pd.DataFrame:
    kept = [i for i in e.links.candidate.tolist() if x[i] != 0.0]
    items = [e.rows.instruments[e.candidate[i]] for i in kept]
    return TRANSFERS.of(
        {
            "source": [item.source for item in items],
            "target": [item.target for item in items],
            "asset": [item.asset for item in items],
            "amount": x[kept].tolist(),
            "usd": (x[kept] * e.rows.notional[e.candidate[kept]]).tolist(),
            "cost": (x[kept] * e.cost_buy[kept]).tolist(),
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
    certificate = solution.certificate
    least = _BINDING * max(abs(certificate.objective), 1e-300)

    def binds(side: Side) -> bool:
        """At its bound; of a list in whole lots also where the ideal trades are, which its shadow price tells."""
        ideal = certificate.lot_gap is not None and side.dual * abs(side.limit) > least
        return bool(ideal or abs(relative_violation(side)) <= _BINDING)

    rows = pd.DataFrame(
        [
            {
                "limit": side.name,
                "before": side_as_told(old, e.numeraire).value,
                "after": side_as_told(told, e.numeraire).value,
                "bound": shown.limit,
                "sense": "<=" if side.sign > 0 else ">=",
                "unit": shown.unit,
                "binding": binds(side),
                "shadow_price": shown.dual,
                "breached_before": old.violation > allowance(old),
            }
            for old, told, side, shown in (
                (before[told.name], told, side, side_as_told(side, e.numeraire))
                for told, side in zip(after, solution.sides, strict=True)
            )
            if not side.sizing or side.dual > 0.0 or binds(side)
        ],
        columns=list(LIMITS),
    )
    return LIMITS.frame(rows)


def _objective(policy: Policy, program: Program, e: Exposures, x: np.ndarray) -> pd.DataFrame:
    nothing, unit = np.zeros(e.n_candidates), e.numeraire

    def told(value: float, word: str) -> float:
        return value if unit is None else unit.told(value, word)

    rows = pd.DataFrame(
        [
            {
                "term": term.name,
                "weight": part.weight,
                "unit": term.unit if unit is None else unit.unit(term.unit),
                "before": told(plain_value(term, bound, e, nothing), term.unit),
                "after": told(plain_value(term, bound, e, x), term.unit),
            }
            for part, (_, term, bound) in zip(policy.minimize, program.objective_terms, strict=True)
        ]
    )
    return OBJECTIVE.frame(rows)
