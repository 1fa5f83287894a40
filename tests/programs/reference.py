"""The whole program of a policy, written out in plain cvxpy from the arrays of the exposures, for HiGHS or Clarabel.

Nothing here passes through the program, the bound terms and limits, the tail solver or the certificate: CVaR is the linear
program of Rockafellar and Uryasev over all scenarios, margin is every tier, line and scenario of its encoding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import is_peg
from hedgeopt.models.pricing.family import greek
from hedgeopt.models.risk.tenor_buckets import bucket_weights, row_days

Own = Callable[[cp.Expression, cp.Expression, Exposures], Sequence[cp.Constraint]]
"""A user's constraints of buys and sells (N,) in quantity units."""


@dataclass(frozen=True)
class Answer:
    """``status`` is "optimal", "infeasible" or what the solver said; value in the objective's unit; error of the value."""

    status: str
    value: float = float("nan")
    error: float = float("nan")
    x: np.ndarray | None = None


class Whole:
    """Variables ``buy`` and ``sell`` (N,) as shares of the trade limits, and every term and limit on them."""

    def __init__(self, e: Exposures, lower: np.ndarray, upper: np.ndarray, anchor: np.ndarray | None = None) -> None:
        self.e, self.anchor = e, anchor
        n = e.n_candidates
        self.scale = np.maximum(np.maximum(-lower, upper), 0.0)
        self.scale[self.scale == 0] = 1.0
        self.b, self.s = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
        self.buy, self.sell = cp.multiply(self.scale, self.b), cp.multiply(self.scale, self.s)
        self.net = self.b - self.s
        self.last = np.zeros(n), 0.0
        self.rows: list[cp.Constraint] = [
            self.b <= np.maximum(upper, 0) / self.scale,
            self.s <= np.maximum(-lower, 0) / self.scale,
        ]
        self.p = np.full(len(e.base_pnl), 1.0 / len(e.base_pnl)) if e.probabilities is None else e.probabilities

    def linear(self, slope: np.ndarray, constant: float) -> cp.Expression:
        self.last = slope, constant
        return (slope * self.scale) @ self.net + constant

    def gross(self, unit: np.ndarray, held: np.ndarray) -> cp.Expression:
        """Sum of unit * |held + x|."""
        return cp.sum(cp.abs(cp.multiply(unit * self.scale, self.net) + unit * held))

    def tail(self, beta: float) -> cp.Expression:
        e = self.e
        size = max(1.0, float(np.abs(e.base_pnl).max()))
        alpha, u = cp.Variable(), cp.Variable(len(e.base_pnl), nonneg=True)
        self.rows.append(-((e.pnl * self.scale / size) @ self.net) - e.base_pnl / size - alpha <= u)
        return size * (alpha + (self.p / (1.0 - beta)) @ u)

    def variance(self) -> cp.Expression:
        e = self.e
        size = max(1.0, float(np.abs(e.base_pnl).max()))
        matrix = np.column_stack([e.pnl * self.scale, e.base_pnl])
        matrix = (matrix - self.p @ matrix) * np.sqrt(self.p)[:, None] / size
        return size**2 * cp.sum_squares(matrix[:, :-1] @ self.net + matrix[:, -1])

    def term(self, term: Any) -> cp.Expression:
        """The term as an expression."""
        e, kind, q, c = self.e, term.kind, self.e.rows.quantity, self.e.candidate
        equity = float(e.equity.sum())
        delta = e.rows.greeks[greek("delta")]
        if kind == "transaction_cost":
            return (e.cost_buy * self.scale) @ self.b + (e.cost_sell * self.scale) @ self.s
        if kind == "carry":
            unit = e.rows.carry + (e.rows.greeks[greek("theta")].sum(axis=1) if term.include_theta else 0.0)
            return self.linear(-unit[c] * e.horizon_days, -float(unit @ q) * e.horizon_days)
        if kind == "cvar":
            return self.tail(term.beta)
        if kind == "variance":
            return self.variance()
        if kind == "stress_loss":
            k = e.stress.index(term.scenario)
            loss = self.linear(-e.stress_pnl[k], -float(e.stress_base[k]))
            if not term.include_unwind:
                return loss
            out, back = e.stress_unwind_sell[k], e.stress_unwind_buy[k]
            rest = np.setdiff1d(np.arange(len(q)), c)
            fixed = float(out[rest] @ np.maximum(q[rest], 0) + back[rest] @ np.maximum(-q[rest], 0))
            longs = cp.pos(cp.multiply(out[c] * self.scale, self.net) + out[c] * q[c])
            shorts = cp.pos(-cp.multiply(back[c] * self.scale, self.net) - back[c] * q[c])
            return loss + cp.sum(longs) + cp.sum(shorts) + fixed
        if kind in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
            a = e.asset(term.underlying)
            held = float(q @ e.rows.greeks[greek(kind), :, a])
            if kind == "delta" and term.include_collateral:
                coins = e.collateral if e.collateral_delta is None else e.collateral_delta
                held += float(coins[:, a].sum())
            return self.linear(e.trade_greeks[greek(kind), :, a], held)
        if kind in ("vega_bucket", "gamma_bucket"):
            share = bucket_weights(row_days(e), term.key_days)[:, term.key_days.index(term.days)]
            unit = share * e.rows.greeks[greek(kind.split("_")[0]), :, e.asset(term.underlying)]
            return self.linear(unit[c], float(unit @ q))
        if kind == "gross_leverage":
            if term.basis == "notional":
                unit = np.array(
                    [0.0 if i.kind == "transfer" else v for i, v in zip(e.rows.instruments, e.rows.notional, strict=True)]
                )
                if term.underlying is not None:
                    unit *= [getattr(i, "underlying", i.assets[0]) == term.underlying for i in e.rows.instruments]
            else:
                counts = [not is_peg(a) and term.underlying in (None, a) for a in e.assets]
                unit = np.abs(delta) @ np.where(counts, e.prices, 0.0)
            unit = unit / equity
            rest = np.setdiff1d(np.arange(len(q)), c)
            return self.gross(unit[c], q[c]) + float(unit[rest] @ np.abs(q[rest]))
        if kind in ("true_leverage", "net_leverage"):
            named = term.underlying
            cols = [a for a, name in enumerate(e.assets) if (name == named if named else name not in dollar_assets())]
            if kind == "net_leverage":
                held = delta[:, cols].T @ q + e.collateral[:, cols].sum(axis=0)
                slope = e.trade_greeks[greek("delta")][:, cols] @ e.prices[cols] / equity
                return self.linear(slope, float(held @ e.prices[cols]) / equity)
            unit = np.abs(delta[:, cols]) @ e.prices[cols] / equity
            rest = np.setdiff1d(np.arange(len(q)), c)
            posted = float((np.maximum(e.collateral[:, cols], 0.0) @ e.prices[cols]).sum()) / equity
            return self.gross(unit[c], q[c]) + float(unit[rest] @ np.abs(q[rest])) + posted
        if kind == "concentration":
            matches = {"venue": e.venues, "chain": e.chains, "counterparty": e.counterparties}[term.by]
            chosen = [k for k, place in enumerate(matches) if place == term.of]
            slope = sum(self.effect(k) for k in chosen)
            return self.linear(np.asarray(slope) / equity, float(e.equity[chosen].sum()) / equity)
        if kind == "margin":
            return cp.max(
                cp.hstack(
                    [
                        self.requirement(k, e.margins.encoding(k, term.requirement)) / float(e.equity[k])
                        for k in self.accounts(term.venue, term.account)
                    ]
                )
            )
        raise NotImplementedError(kind)

    def accounts(self, venue: str | None, account: str | None) -> list[int]:
        e = self.e
        return [k for k in range(len(e.accounts)) if venue in (None, e.venues[k]) and account in (None, e.accounts[k])]

    def units(self, account: int, asset: int) -> np.ndarray:
        """(N,) units of an asset that a trade or transfer adds to an account."""
        e, out = self.e, np.zeros(self.e.n_candidates)
        for i, row in enumerate(e.candidate.tolist()):
            paid = getattr(e.rows.instruments[row], "settlement", None)
            if e.rows.account[row] == account and e.rows.premium[row] != 0.0 and paid == e.assets[asset]:
                out[i] = -e.rows.premium[row]
        for t, i in enumerate(e.links.candidate.tolist()):
            if e.links.asset[t] == asset:
                out[i] = -1.0 if e.links.source[t] == account else 0.0
                if e.links.target[t] == account:
                    out[i] = e.links.arrives[t]
            elif e.links.source[t] == account or e.links.target[t] == account:
                out[i] = 0.0
        return out

    def effect(self, account: int, stress: int | None = None) -> np.ndarray:
        """(N,) USD of equity that a unit adds to an account, costs apart."""
        e, links = self.e, self.e.links
        out = np.zeros(e.n_candidates)
        prices = e.prices
        if stress is not None:
            mine = e.rows.account[e.candidate] == account
            out[mine] = e.stress_pnl[stress, mine]
            prices = e.stress_prices[stress]
            if e.venues[account] in e.margins.stress.recovery:
                prices = prices * e.margins.stress.recovery[e.venues[account]][stress]
        for t, i in enumerate(links.candidate.tolist()):
            a = links.asset[t]
            gives, takes = links.source[t] == account, links.target[t] == account
            out[i] = -prices[a] if gives else (prices[a] * links.arrives[t] if takes else 0.0)
        return out

    def requirement(self, account: int, encoding: Any) -> cp.Expression:
        """An encoding in full, squares as squares."""
        e = self.e
        mine = e.margins.rows[account]
        at = {int(row): r for r, row in enumerate(mine)}
        place = np.zeros((len(mine), e.n_candidates))
        for i, row in enumerate(e.candidate.tolist()):
            if row in at:
                place[at[row], i] = 1.0
        held = e.rows.quantity[mine]
        moves = np.where((place != 0).any(axis=1))[0]
        z = place @ cp.multiply(self.scale, self.net) + held
        still = np.setdiff1d(np.arange(len(mine)), moves)
        if encoding.anchored:
            encoding = encoding.at(held if self.anchor is None else held + place @ self.anchor)
        if encoding.largest is not None:  # beyond it the leverage is lower, and the encoding below the rule
            bounded = moves[np.isfinite(encoding.largest[moves])]
            if len(bounded):
                self.rows.append(cp.multiply(1.0 / encoding.largest[bounded], cp.abs(z[bounded])) <= 1.0)
        total: Any = encoding.constant
        size = np.abs(held)
        for r in still:
            total += float((encoding.slopes[r] * size[r] - encoding.deductions[r]).max())
            total += float(encoding.quadratic[r] * size[r] ** 2 + encoding.short[r] * max(-held[r], 0.0))
        if len(moves):
            lines = []
            for level in range(encoding.slopes.shape[1]):
                slope, drop = encoding.slopes[moves, level], encoding.deductions[moves, level]
                lines.append(cp.abs(cp.multiply(slope, z[moves])) - drop)
            total += cp.sum(cp.maximum(*lines) if len(lines) > 1 else lines[0])
            total += cp.sum(cp.multiply(encoding.short[moves], cp.pos(-z[moves])))
            if encoding.quadratic[moves].any():
                total += cp.sum_squares(cp.multiply(np.sqrt(encoding.quadratic[moves]), z[moves]))
        if encoding.blocks or encoding.ramps:
            units = np.stack([self.units(account, a) for a in range(len(e.assets))])
            posted = (units * self.scale) @ self.net + e.collateral[account]
            y = cp.hstack([z, posted])
            for block in encoding.blocks:
                each: list[Any] = []
                for group in block.groups:
                    lines = group.lines.shape[1]
                    values = [group.lines[:, line] @ y[group.columns] + group.constants[:, line] for line in range(lines)]
                    worst = cp.maximum(*values) if lines > 1 else values[0]
                    each.append(worst if group.at is None else np.eye(block.count)[:, group.at] @ worst)
                total += cp.max(sum(each))
            for ramp in encoding.ramps:
                row = np.concatenate([ramp.row, np.zeros(y.size - len(ramp.row))])
                amount = cp.abs(row @ y)
                if ramp.flat:
                    total += ramp.flat_rate * amount
                    continue
                # above the threshold: a square up to the kink, its tangent beyond
                square, line = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
                size = max(ramp.kink, 1.0)
                if self.b.value is not None:  # evaluated, not solved
                    over = max(float(amount.value) - ramp.threshold, 0.0)
                    square.value = min(over, ramp.kink - ramp.threshold) / size
                    line.value = max(over - (ramp.kink - ramp.threshold), 0.0) / size
                self.rows += [
                    amount / size - ramp.threshold / size <= square + line,
                    square <= (ramp.kink - ramp.threshold) / size,
                ]
                total += ramp.rate * size**2 * cp.square(square) + ramp.rate * ramp.threshold * size * square
                total += ramp.rate * (2.0 * ramp.kink - ramp.threshold) * size * line
        return total

    def cover(
        self, group: list[int], stress: int | None, share: float, buffer: float, encoding: Callable[[int], Any]
    ) -> None:
        """Requirement plus costs against equity."""
        e = self.e
        need: Any = 0.0
        right = -buffer
        for k in group:
            mine = e.rows.account[e.candidate] == k
            need += self.requirement(k, encoding(k))
            need += share * (np.where(mine, e.cost_buy, 0.0) * self.scale) @ self.b
            need += share * (np.where(mine, e.cost_sell, 0.0) * self.scale) @ self.s
            need -= share * (self.effect(k, stress) * self.scale) @ self.net
            right += share * (float(e.equity[k]) + (0.0 if stress is None else float(e.stress_account_pnl[stress, k])))
        size = max(1.0, abs(float(e.equity.sum())))
        self.rows.append(need / size <= right / size)

    def caps(self, accounts: list[int], stress: int | None = None) -> None:
        """Thresholds of delta shocks."""
        e = self.e
        for k in accounts:
            for cap in e.margins.encoding(k, "maintenance", stress).caps:
                per_row = np.zeros(len(e.rows))
                per_row[e.margins.rows[k]] = cap.row[: len(e.margins.rows[k])]
                row, start = per_row[e.candidate] * self.scale, float(per_row @ e.rows.quantity)
                self.rows.append(cp.abs(row / cap.limit @ self.net + start / cap.limit) <= 1.0)

    def limit(self, rule: Any) -> None:
        """One of the policy's limits; of sizes, what the box does not say: all accounts together."""
        e = self.e
        if rule.kind in ("order_limit", "participation", "position_limit"):
            self.over_accounts(rule)
            return
        if rule.kind == "limit" and rule.term.kind == "margin":
            term = rule.term
            group = self.accounts(term.venue, term.account)
            for k in group:
                self.cover([k], None, rule.upper, 0.0, lambda k: e.margins.encoding(k, term.requirement, counted=rule.upper))
            self.caps(group)
        elif rule.kind == "limit":
            value = self.term(rule.term)
            size = max(1e-9, *(abs(b) for b in (rule.lower, rule.upper) if b is not None))
            if rule.upper is not None and rule.upper == rule.lower:
                self.rows.append(value / size == rule.upper / size)
                return
            if rule.upper is not None:
                self.rows.append(value / size <= rule.upper / size)
            if rule.lower is not None:
                self.rows.append(value / size >= rule.lower / size)
        elif rule.kind == "margin_utilisation":
            found = self.accounts(rule.venue, rule.account)
            for group in [found] if rule.portfolio else [[k] for k in found]:
                self.cover(
                    group, None, rule.limit, rule.buffer,
                    lambda k: e.margins.encoding(k, rule.requirement, counted=rule.limit),
                )  # fmt: skip
            self.caps(found)
        elif rule.kind == "survive_stress":
            for k in self.accounts(rule.venue, rule.account):
                for name in rule.scenarios or e.stress:
                    m = e.stress.index(name)
                    self.cover(
                        [k], m, rule.utilisation, rule.buffer,
                        lambda k, m=m: e.margins.encoding(k, "maintenance", m, health=rule.health_factor),
                    )  # fmt: skip
                    self.caps([k], m)
        elif rule.kind == "transfer_limit":
            sent = [
                e.rows.notional[e.candidate[i]] * self.buy[i]
                for i in e.links.candidate.tolist()
                if rule.asset in (None, e.rows.instruments[e.candidate[i]].asset)
                and rule.bridge in (None, e.rows.instruments[e.candidate[i]].bridge)
            ]
            self.rows.append(sum(sent) / max(rule.usd, 1.0) <= rule.usd / max(rule.usd, 1.0))
        else:
            raise NotImplementedError(rule.kind)

    def over_accounts(self, rule: Any) -> None:
        """Sizes of one instrument in several accounts, added up without netting."""
        e, rows = self.e, self.e.rows
        sent = set(e.links.candidate.tolist())
        named: dict[str, list[int]] = {}
        for i, row in enumerate(e.candidate.tolist()):
            if i not in sent:
                named.setdefault(rows.instruments[row].id, []).append(i)
        for name, members in named.items():
            one = rows.notional[e.candidate[members[0]]]
            if rule.kind == "position_limit":
                traded = set(e.candidate[members].tolist())
                others = [r for r, item in enumerate(rows.instruments) if item.id == name and r not in traded]
                if len(members) + len(others) == 1:
                    continue
                held, fixed = rows.quantity[e.candidate[members]], float(np.abs(rows.quantity[others]).sum())
                cap = max(rule.notional / one, float(np.abs(held).sum()) + fixed)
                total = cp.sum(cp.abs(cp.multiply(self.scale[members] / cap, self.net[members]) + held / cap)) + fixed / cap
                self.rows.append(total <= 1.0)
            elif len(members) > 1:
                cap = rule.notional / one if rule.kind == "order_limit" else rule.share * float(e.open_interest[members[0]])
                if np.isfinite(cap):  # a market of unknown size is skipped
                    self.rows.append((self.scale[members] / cap) @ (self.b[members] + self.s[members]) <= 1.0)

    def network(self) -> None:
        """Nobody sends what he has not, and venues keep initial margin."""
        e, links = self.e, self.e.links
        for k, a in sorted({(int(c), int(a)) for c, a in zip(links.source, links.asset, strict=True)}):
            have = max(float(e.collateral[k, a]), 0.0)
            size = max(have, 1e-12)
            self.rows.append(-(self.units(k, a) * self.scale / size) @ self.net <= have / size)
        for k in sorted(set(links.source.tolist())):
            start = e.margins.encoding(k, "initial", counted=1.0)
            held = e.rows.quantity[e.margins.rows[k]]
            need = start.at(held)(held, e.collateral[k])
            short = max(need - float(e.equity[k]), 0.0)
            self.cover([k], None, 1.0, -short, lambda k: e.margins.encoding(k, "initial", counted=1.0))


def worst_of_tail(loss: np.ndarray, p: np.ndarray, beta: float) -> float:
    """Mean loss of the worst ``1 - beta`` of probability."""
    order = np.argsort(-loss)
    cap = p[order] / (1 - beta)
    mass = np.clip(1.0 - np.concatenate([[0.0], np.cumsum(cap)[:-1]]), 0.0, cap)
    return float(mass @ loss[order])


def at(e: Exposures, x: np.ndarray) -> Whole:
    """The whole program's variables at trades x, and margin rules that are not convex as they are there."""
    whole = Whole(e, np.minimum(x, 0.0), np.maximum(x, 0.0), x)
    whole.b.value, whole.s.value = (x > 0) * 1.0, (x < 0) * 1.0
    return whole


def value(e: Exposures, term: Any, x: np.ndarray) -> tuple[float, float]:
    """A term at trades x, and the size of what is summed for it."""
    whole = at(e, x)
    if term.kind == "cvar":
        loss = -(e.base_pnl + e.pnl @ x)
        return worst_of_tail(loss, whole.p, term.beta), float(np.abs(loss).max())
    found = float(whole.term(term).value)
    slope, constant = whole.last
    return found, max(abs(found), float(np.abs(slope) @ np.abs(x)) + abs(constant))


def excess(e: Exposures, rules: Sequence[Any], x: np.ndarray, own: Own | None, relative: bool = False) -> tuple[float, str]:
    """The largest excess over a limit at trades x, relative to the size of what is summed, and which limit.

    A user's own constraints count as they are written, with ``relative`` those below 1 by the size of their sides.
    """
    found = [(0.0, "none")]
    whole = at(e, x)
    for rule in rules:
        if rule.kind == "limit" and rule.term.kind != "margin":
            got, size = value(e, rule.term, x)
            over = max(got - rule.upper if rule.upper is not None else 0, rule.lower - got if rule.lower is not None else 0)
            found.append((over / max(size, 1e-12), rule.name))
            continue
        before = len(whole.rows)
        whole.limit(rule)
        found += [(float(np.max(row.violation())), rule.name) for row in whole.rows[before:]]
    if len(e.links):
        before = len(whole.rows)
        whole.network()
        found += [(float(np.max(row.violation())), "network") for row in whole.rows[before:]]
    for row in () if own is None else own(whole.buy, whole.sell, e):
        for variable in row.variables():
            if variable.value is None:  # levels of the absolute trades
                variable.value = np.abs(x) * e.rows.notional[e.candidate] / 1e6
        size = min(1.0, max(float(np.max(np.abs(side.value))) for side in row.args)) if relative else 1.0
        found.append((float(np.max(row.violation())) / max(size, 1e-12), str(row)[:80]))
    return max(found)


def solve(
    e: Exposures,
    minimize: Sequence[Any],
    rules: Sequence[Any],
    lower: np.ndarray,
    upper: np.ndarray,
    own: Own | None = None,
    unit: float = 1.0,
    anchor: np.ndarray | None = None,
) -> Answer:
    """Optimum of the weighted terms ``minimize`` under ``rules`` inside the box ``lower``, ``upper``, by HiGHS or Clarabel.

    ``unit`` is the size of the objective, which the solver sees divided by it; ``anchor`` the trades at which margin rules
    that are not convex are exact.
    """
    whole = Whole(e, lower, upper, anchor)
    for part in minimize:
        if part.term.kind == "margin":
            whole.caps(whole.accounts(part.term.venue, part.term.account))
    objective = sum((part.weight / unit) * whole.term(part.term) for part in minimize)
    for rule in rules:
        whole.limit(rule)
    if len(e.links):
        whole.network()
    rows = [*whole.rows, *(own(whole.buy, whole.sell, e) if own is not None else ())]
    problem = cp.Problem(cp.Minimize(objective), rows)
    tight = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    best = Answer("failed")
    linear = problem.is_lp()
    for name, options in (
        [("HIGHS", {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9})] if linear else []
    ) + [
        ("CLARABEL", {**tight, "max_iter": 300}),
        ("CLARABEL", {"max_iter": 300}),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                problem.solve(solver=name, **options)
            except cp.SolverError:
                continue
        if problem.status == "infeasible":
            return Answer("infeasible")
        if problem.status in ("optimal", "optimal_inaccurate") and np.isfinite(problem.value):
            x = whole.scale * (whole.b.value - whole.s.value)
            error = (1e-8 if name == "HIGHS" else 1e-6) if problem.status == "optimal" else 1e-3
            best = Answer("optimal", float(problem.value) * unit, error, x)
            if problem.status == "optimal":
                break
        elif best.status == "failed":
            best = Answer(str(problem.status))
    return best
