"""Every limit of a policy at a list of trades, from the policy's plain data; nothing of ``constraints`` is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.verify.accounts import AccountCase, account
from hedgeopt.verify.cash import cash_by_day
from hedgeopt.verify.claim import ClaimedTail
from hedgeopt.verify.convex import Convex, absolute
from hedgeopt.verify.ladders import cost_below, walked
from hedgeopt.verify.lots import COUNTS
from hedgeopt.verify.margins import asked, below_asked, not_counted
from hedgeopt.verify.measures import known_term, measure
from hedgeopt.verify.one_at_a_time import KnownLines
from hedgeopt.verify.sizes import SIZES, TradeRange, shared_sizes
from hedgeopt.verify.straight import counted_accounts, with_accounts

__all__ = ["CheckedLimit", "checked_limits", "known_limit"]


_DOLLARS = "dollars"


@dataclass(frozen=True, eq=False)
class CheckedLimit:
    """One side of a limit: ``value <= limit`` (sign 1) or ``value >= limit`` (sign -1).

    ``size`` is what is added up in it; ``below()`` is a convex function nowhere above ``sign (value - limit)``, or None
    where none is proven: worked out when asked for, margin takes time. It takes trades near which it should be close.

    ``nodes`` are pairs (account, asset): the side holds where something of one of them is sent away; None: always.
    ``sizing``: one of many rows about sizes, which a proposal lists where it binds.
    """

    name: str
    unit: str
    value: float
    limit: float
    sign: int
    size: float
    below: Callable[[Sequence[np.ndarray]], Convex | None]
    nodes: frozenset[tuple[int, int]] | None = None
    sizing: bool = False

    def asked(self, leaving: Set[tuple[int, int]]) -> bool:
        """Whether it must hold where something of ``leaving`` is sent away."""
        return self.nodes is None or bool(self.nodes & leaving)

    @property
    def holds(self) -> bool:
        """Whether it is kept, to 1e-9 of the limit and the rounding of the sums."""
        return self.sign * (self.value - self.limit) <= 1e-9 * abs(self.limit) + 1e-12 * max(self.size, abs(self.limit))


def _same(below: Convex, near: Sequence[np.ndarray] = ()) -> Convex:
    return below


def checked_limits(
    policy: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange, tails: Sequence[ClaimedTail]
) -> list[CheckedLimit]:
    """Every side of every limit except trade sizes, in the policy's order, and the limits that links add."""
    sides = partial(_sides_of, e=e, x=x, box=box, tails=tails)
    found = [side for rule in policy["subject_to"] if rule["kind"] not in SIZES for side in sides(rule)]
    if len(e.links):
        found += _balances(e, x)
        found += _withdrawals(e, x, box)
    return [*found, *_paid_for(e, x), *_over_accounts(policy, e, x)]


def known_limit(rule: dict[str, Any]) -> bool:
    """Whether the verifier has a formula for a limit; a user's class has none here."""
    told = "margin_utilisation", "survive_stress", "transfer_limit", "collateral_balance", "withdrawals", "cash_at_least"
    known = (*SIZES, *COUNTS, *told)
    return known_term(rule["term"]) if rule["kind"] == "limit" else rule["kind"] in known


def _sides_of(
    rule: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange, tails: Sequence[ClaimedTail]
) -> Iterator[CheckedLimit]:
    kind = rule["kind"]
    if kind == "limit" and rule["term"]["kind"] == "margin":
        term = rule["term"]
        same = {name: term.get(name) for name in ("venue", "account", "requirement", "of")}
        kind, rule = "margin_utilisation", {**same, "limit": rule["upper"], "buffer": 0.0, "portfolio": False}
    if kind == "limit":
        yield from _limit(rule, e, x, tails)
    elif kind == "margin_utilisation":
        yield from _utilisation(rule, e, x, box)
    elif kind == "survive_stress":
        yield from _survival(rule, e, x, box)
    elif kind == "transfer_limit":
        yield _transfers(rule, e, x)
    elif kind == "cash_at_least":
        for name, unit, value, size, below in cash_by_day(rule, e, x):
            least = float(rule["amount"])
            yield CheckedLimit(name, unit, value, least, -1, size, partial(_same, below.plus(least)))
    elif kind not in ("collateral_balance", "withdrawals", *COUNTS):  # those come with the links
        raise InputError("is a limit that the verifier does not know", file="policy", field="subject_to", value=kind)


def _limit(rule: dict[str, Any], e: Exposures, x: np.ndarray, tails: Sequence[ClaimedTail]) -> Iterator[CheckedLimit]:
    found = measure(rule["term"], e, x, tails)
    both = rule["lower"] is not None and rule["upper"] is not None
    for sign, limit, word in ((-1, rule["lower"], "lower"), (1, rule["upper"], "upper")):
        if limit is not None:
            name = f"{found.name} {word}" if both else found.name
            below = found.below.plus(-float(limit)).times(float(sign))
            yield CheckedLimit(name, found.unit, found.value, float(limit), sign, found.size, partial(_same, below))


def _matching(e: Exposures, rule: dict[str, Any]) -> list[int]:
    inside = counted_accounts(rule, e)
    found = [
        c
        for c, (venue, name) in enumerate(zip(e.venues, e.accounts, strict=True))
        if rule["venue"] in (None, venue) and rule["account"] in (None, name) and inside[c]
    ]
    if not found:
        raise InputError("names an account that the book does not hold", file="policy", field=rule.get("kind", "margin"))
    return found


def _cover(
    name: str, e: Exposures, x: np.ndarray, box: TradeRange, accounts: Sequence[AccountCase], **terms: Any
) -> CheckedLimit:
    """``asked + counted lost - share (equity after - start) <= share start - buffer + more``, over some accounts."""
    kind, share, health = terms["kind"], float(terms["share"]), float(terms.get("health", 1.0))
    value, size, limit = 0.0, 0.0, terms.get("more", 0.0) - float(terms["buffer"])
    losses = Convex.number(e.n_candidates, 0.0)
    for a in accounts:
        need = asked(e, a, kind, x, health)
        lost, lost_below = not_counted(e, a, kind, x) if terms["counted"] else (0.0, Convex.number(e.n_candidates, 0.0))
        value += need + terms["counted"] * lost - share * (a.equity(x) - a.start)
        limit += share * a.start
        size += share * a.size(x)
        losses = losses + lost_below.times(terms["counted"]) + a.shortfall(x).times(share)

    known: list[KnownLines] = [{} for _ in accounts]

    def below(near: Sequence[np.ndarray]) -> Convex | None:
        total = losses.plus(-limit)
        for a, mine in zip(accounts, known, strict=True):
            lower = below_asked(e, a, kind, x, box, health, near, mine)
            if lower is None:
                return None
            total = total + lower
        return total

    return CheckedLimit(name, "USD", value, limit, 1, size, below)


def _utilisation(rule: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange) -> Iterator[CheckedLimit]:
    found, kind = _matching(e, rule), rule["requirement"]
    place = " ".join(part for part in (rule["venue"], rule["account"]) if part) or "all accounts"
    for group in [found] if rule["portfolio"] else [[c] for c in found]:
        named = with_accounts(f"{kind} margin {place}", rule)
        name = named if rule["portfolio"] else f"{kind} margin {e.accounts[group[0]]}"
        accounts = [account(e, c) for c in group]
        share = float(rule["limit"])
        yield _cover(name, e, x, box, accounts, kind=kind, share=share, counted=share, buffer=rule["buffer"])


def _survival(rule: dict[str, Any], e: Exposures, x: np.ndarray, box: TradeRange) -> Iterator[CheckedLimit]:
    for name in rule["scenarios"]:
        if name not in e.stress:
            raise InputError("is no stress scenario", file="policy", field="survive_stress.scenarios", value=name)
    for c in _matching(e, rule):
        for name in rule["scenarios"] or e.stress:
            a = account(e, c, e.stress.index(name))
            terms = {"kind": "maintenance", "share": rule["utilisation"], "counted": 0.0, "buffer": rule["buffer"]}
            terms["health"] = rule["health_factor"]
            yield _cover(f"survive {name} {e.accounts[c]}", e, x, box, [a], **terms)


def _balances(e: Exposures, x: np.ndarray) -> Iterator[CheckedLimit]:
    links = e.links
    for c, a in sorted(set(zip(links.source.tolist(), links.asset.tolist(), strict=True))):
        own = account(e, c)
        out = -own.flows[a]
        limit = max(float(own.collateral[a]), 0.0)
        size = limit + float(np.abs(out) @ np.abs(x))
        below = Convex(out, -limit)
        name, value = f"{e.assets[a]} of {e.accounts[c]}", float(out @ x)
        yield CheckedLimit(name, e.assets[a], value, limit, 1, size, partial(_same, below), frozenset({(c, a)}))


def _paid_for(e: Exposures, x: np.ndarray) -> Iterator[CheckedLimit]:
    """Purchases in what is not lent, and transfers out of it, are paid from collateral.

    Where nothing is lent at all, dollar assets count as one.
    """
    n, links = e.n_candidates, e.links
    sent = np.isin(np.arange(n), links.candidate)
    for c, model in enumerate(e.margins.models):
        one = dollar_assets() if model.name == "none" else frozenset()
        cash = [_DOLLARS if asset in one else asset for asset in e.assets]
        items = [e.rows.instruments[row] for row in e.candidate.tolist()]
        mine = (e.rows.account[e.candidate] == c) & ~sent
        paid_in = [getattr(i, "settlement", "") for i in items]
        kind = [_DOLLARS if asset in one else asset for asset in paid_in]
        owned = np.array([item.nature.paid in ("premium", "owned") for item in items], bool)
        owned &= np.array([not model.lent(asset) for asset in paid_in], bool)
        for name in dict.fromkeys(np.array(kind, dtype=object)[mine & owned].tolist()):
            own = mine & owned & (np.array(kind, dtype=object) == name)
            gain = np.where(own, -e.rows.value[e.candidate], 0.0)
            for i, source, target, asset, arrives in zip(
                links.candidate.tolist(), links.source, links.target, links.asset, links.arrives, strict=True
            ):
                if cash[asset] == name:
                    gain[i] += float(e.prices[asset]) * (float(arrives) * (target == c) - (source == c))
            posted = sum(float(e.collateral[c, a] * e.prices[a]) for a, same in enumerate(cash) if same == name)
            cost, paid = cost_below(e, x, own), np.where(own, walked(e, x)[0], 0.0)
            below = Convex(cost.slope - gain, cost.constant - max(posted, 0.0), cost.corners)
            value = float(np.sum(paid - gain * x))
            size = max(posted, 0.0) + float(np.abs(gain) @ np.abs(x) + 2.0 * paid.sum())
            title = f"{name} to pay with in {e.accounts[c]}" + ("" if one else " (no rate for loans of it)")
            yield CheckedLimit(title, "USD", value, max(posted, 0.0), 1, size, partial(_same, below))


def _withdrawals(e: Exposures, x: np.ndarray, box: TradeRange) -> Iterator[CheckedLimit]:
    nothing = np.zeros(e.n_candidates)
    for c in sorted(set(e.links.source.tolist())):
        a = account(e, c)
        need = asked(e, a, "initial", nothing) + not_counted(e, a, "initial", nothing)[0]
        terms = {"kind": "initial", "share": 1.0, "counted": 1.0, "buffer": 0.0, "more": max(need - a.start, 0.0)}
        if need == float("inf"):
            terms["more"] = 0.0  # an unknown requirement covers nothing
        nodes = frozenset((s, k) for s, k in zip(e.links.source.tolist(), e.links.asset.tolist(), strict=True) if s == c)
        yield replace(_cover(f"withdrawal {e.accounts[c]}", e, x, box, [a], **terms), nodes=nodes)


def _over_accounts(policy: dict[str, Any], e: Exposures, x: np.ndarray) -> Iterator[CheckedLimit]:
    for size in shared_sizes(policy, e):
        price = np.zeros(e.n_candidates)
        price[size.members] = 1.0
        held = np.zeros(e.n_candidates)
        held[size.members] = size.start
        below = absolute(price, held).plus(size.fixed - size.limit)
        value = size.fixed + float(np.sum(np.abs(size.start + x[size.members])))
        summed = size.fixed + float(np.sum(np.abs(size.start) + np.abs(x[size.members])))
        yield CheckedLimit(size.name, "units", value, size.limit, 1, summed, partial(_same, below), sizing=True)


def _transfers(rule: dict[str, Any], e: Exposures, x: np.ndarray) -> CheckedLimit:
    usd, matched = np.zeros(e.n_candidates), False
    for k, i in enumerate(e.links.candidate.tolist()):
        link = e.rows.instruments[e.candidate[i]]
        if rule["bridge"] in (None, link.bridge) and rule["asset"] in (None, link.asset):
            usd[i], matched = float(e.prices[e.links.asset[k]]), True
    if len(e.links) and not matched:
        raise InputError("matches no link", file="policy", field="transfer_limit")
    name = (
        "transfers"
        + (f" of {rule['asset']}" if rule["asset"] else "")
        + (f" via {rule['bridge']}" if rule["bridge"] else "")
    )
    value = float(usd @ np.maximum(x, 0.0))
    return CheckedLimit(name, "USD", value, float(rule["usd"]), 1, value, partial(_same, Convex(usd, -float(rule["usd"]))))
