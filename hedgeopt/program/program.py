"""Exposures and a policy to a convex program, compiled once and updated with new data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.collateral_balance import CollateralBalance, Withdrawals
from hedgeopt.constraints.constraint import BoundConstraint, BoxConstraint, Constraint, Side
from hedgeopt.constraints.limit import paired
from hedgeopt.constraints.margin_utilisation import DeltaCaps
from hedgeopt.constraints.over_accounts import OverAccounts, shared_instruments
from hedgeopt.constraints.paid_for import PaidFor, purses
from hedgeopt.errors import InputError
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin.term import Margin
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import BoundTerm, Term, TradeVariables, put
from hedgeopt.program.cones import check_own

__all__ = ["Box", "Program"]

VENUE_BOX = "largest notional at the chosen leverage"


@dataclass(frozen=True)
class Box:
    """Trade limits (N,) and which size limit sets each side; -1 where the market's quotes do."""

    lower: np.ndarray
    upper: np.ndarray
    lower_from: np.ndarray
    upper_from: np.ndarray
    names: tuple[str, ...]

    def binding(self, x: np.ndarray) -> dict[str, list[int]]:
        """Candidates at their limit (to 1e-9 of it), by the name of the limit that set it; closed sides do not count."""
        found: dict[str, list[int]] = {}
        for bound, source, room in (
            (self.lower, self.lower_from, x - self.lower),
            (self.upper, self.upper_from, self.upper - x),
        ):
            for i in np.flatnonzero((room <= 1e-9 * np.abs(bound)) & (bound != 0.0)):
                found.setdefault(self.names[source[i]], []).append(int(i))
        return found


def trade_box(policy: Policy, e: Exposures) -> Box:
    """The tightest box of quotes, the policy's size limits, and its order notional default."""
    lower, upper = e.lower.copy(), e.upper.copy()
    lower_from = upper_from = np.full(e.n_candidates, -1)
    lower_from, upper_from = lower_from.copy(), upper_from.copy()
    rules = [rule for rule in policy.subject_to if isinstance(rule, BoxConstraint)]
    default = policy.candidates.max_order_notional / e.rows.notional[e.candidate]
    default[e.links.candidate] = np.inf  # transfers are bounded by what is posted
    boxes = [(rule.name, *rule.box(e)) for rule in rules] + [("candidates.max_order_notional", -default, default)]
    boxes += [(VENUE_BOX, *_venue_box(e))]
    for k, (_, low, high) in enumerate(boxes):
        tighter_low, tighter_high = low > lower, high < upper
        lower, upper = np.where(tighter_low, low, lower), np.where(tighter_high, high, upper)
        lower_from[tighter_low], upper_from[tighter_high] = k, k
    return Box(lower, upper, lower_from, upper_from, tuple(name for name, _, _ in boxes))


def _venue_box(e: Exposures) -> tuple[np.ndarray, np.ndarray]:
    """Trades (N,) that leave every position within what its venue allows at the account's leverage."""
    largest = np.full(len(e.rows), np.inf)
    for c in range(len(e.accounts)):
        largest = np.minimum(largest, e.margins.largest(c, e.rows.quantity, e.candidate))
    at, held = largest[e.candidate], e.rows.quantity[e.candidate]
    return -at - held, at - held


def limits_of(policy: Policy, e: Exposures) -> list[Constraint]:
    """The policy's limits, where collateral may move those that make transfers possible ones, where nothing is
    lent that purchases are paid for, and what margin needs."""
    network: list[Constraint] = [CollateralBalance(), Withdrawals()] if len(e.links) else []
    network += [PaidFor()] if purses(e) else []
    margins = [part.term for part in policy.minimize if isinstance(part.term, Margin)]
    caps: list[Constraint] = [DeltaCaps(venue=term.venue, account=term.account) for term in dict.fromkeys(margins)]
    sizes = [rule for rule in policy.subject_to if isinstance(rule, BoxConstraint)]
    over = OverAccounts(rules=tuple(sizes), order_notional=policy.candidates.max_order_notional)
    shared: list[Constraint] = [over] if shared_instruments(e, position=True) else []
    return paired([spec for spec in policy.subject_to if not isinstance(spec, BoxConstraint)]) + network + caps + shared


class Program:
    """A policy compiled for exposures of one structure.

    Attributes
    ----------
    problem : cvxpy.Problem
        Visible and editable: ``program.extend(constraint, ...)`` adds constraints written on :attr:`trades`.
    trades : cvxpy.Expression
        (N,) signed trades in the candidates' quantity units.
    """

    def __init__(self, policy: Policy, e: Exposures, *, elastic: bool = False) -> None:
        n = e.n_candidates
        self._unit = 1.0
        self.policy, self.structure, self.elastic = policy, e.structure(), elastic
        self.variables = TradeVariables(cp.Variable(n, name="buy", nonneg=True), cp.Variable(n, name="sell", nonneg=True))
        self._scale = cp.Parameter(n, nonneg=True, name="scale")
        self._buy_cap = cp.Parameter(n, nonneg=True, name="buy_cap")
        self._sell_cap = cp.Parameter(n, nonneg=True, name="sell_cap")
        self.trades = cp.multiply(self._scale, self.variables.net)
        self._bound: dict[Term, BoundTerm] = {}
        self._added: list[cp.Constraint] = []
        self._off: frozenset[tuple[int, int]] = frozenset()
        self._compiled_off = self._off
        self._shown: dict[int, dict[str, str]] = {}  # per limit: what its sides call themselves, and what they are called
        self.objective_terms = [(part.weight, part.term, self._term(part.term, e)) for part in policy.minimize]
        self.limits: list[BoundConstraint] = [
            spec.bind(self.variables, e, lambda term: self._term(term, e), slack=elastic) for spec in limits_of(policy, e)
        ]
        self._box_constraints = [self.variables.buy <= self._buy_cap, self.variables.sell <= self._sell_cap]
        self._floors: tuple[cp.Parameter, ...] = ()
        if elastic:
            objective = sum((limit.slack_cost for limit in self.limits), start=cp.Constant(0.0))  # type: ignore[attr-defined]
        else:
            # solvers judge by absolute sizes: an objective times 1e-9 is the same question
            self._unit = sum(abs(weight) for weight, _, _ in self.objective_terms) or 1.0
            objective = cp.sum([(weight / self._unit) * bound.expression for weight, _, bound in self.objective_terms])
        self._objective = cp.Minimize(objective)
        self.problem = self._assemble()

    def extend(self, *constraints: cp.Constraint) -> None:
        """Add cvxpy constraints on :attr:`trades`, :attr:`buys`, :attr:`sells` and variables of your own.

        They hold for every later solve. Every cone of cvxpy will do; the certificate proves its bound with them and
        evaluates them at the trades that are listed, of which each is a buy or a sell.

        Raises
        ------
        InputError
            For what can't be proven: constraints that are not convex (DCP), whole numbers, parameters without a value.
        """
        for constraint in constraints:
            check_own(constraint, (self._scale,))
        self._added += constraints
        self.problem = self._assemble()

    @property
    def buys(self) -> cp.Expression:
        """(N,) bought, in the candidates' quantity units; :attr:`trades` is buys less sells."""
        return cp.multiply(self._scale, self.variables.buy)

    @property
    def sells(self) -> cp.Expression:
        """(N,) sold, in the candidates' quantity units."""
        return cp.multiply(self._scale, self.variables.sell)

    @property
    def parts(self) -> list[Any]:
        """Every bound term and limit."""
        return [*self._bound.values(), *self.limits]

    @property
    def added(self) -> tuple[cp.Constraint, ...]:
        """The constraints added by :meth:`extend`."""
        return tuple(self._added)

    @property
    def off(self) -> frozenset[tuple[int, int]]:
        """Accounts and assets whose rules on leaving collateral are switched off; see :mod:`hedgeopt.program.branches`."""
        return self._off

    def switch(self, off: frozenset[tuple[int, int]], *, compile: bool = True) -> None:
        """Leave out the rules of some accounts and assets; without ``compile`` only in what is evaluated."""
        self._off = off
        for limit in self.limits:
            if hasattr(limit, "switch"):
                limit.switch(off)
        if compile and off != self._compiled_off:
            self._compiled_off, self.problem = off, self._assemble()

    def update(self, e: Exposures, box: Box, tighten: Mapping[str, float] | None = None) -> None:
        """Load new data of the same structure; nothing is compiled again."""
        if e.structure() != self.structure:
            raise InputError("the exposures have another structure than the program", fix="compile a new program")
        self.scale = np.maximum(np.maximum(-box.lower, box.upper), 0.0)
        self.scale[self.scale == 0.0] = 1.0
        put(self._scale, self.scale)
        put(self._buy_cap, np.maximum(box.upper, 0.0) / self.scale)
        put(self._sell_cap, np.maximum(-box.lower, 0.0) / self.scale)
        self._put_floors(np.maximum(box.lower, 0.0) / self.scale, np.maximum(-box.upper, 0.0) / self.scale)
        for bound in self._bound.values():
            bound.update(e, self.scale)
        if tighten and not self._shown:
            self.sides(e, np.zeros(e.n_candidates))
        for k, limit in enumerate(self.limits):
            own = {name: (tighten or {}).get(shown, 0.0) for name, shown in self._shown.get(k, {}).items()}
            limit.update(e, self.scale, own)

    def _put_floors(self, buy: np.ndarray, sell: np.ndarray) -> None:
        """Trades that the box does not leave free to be nothing; the first such box compiles the program again."""
        if not self._floors and (buy.any() or sell.any()):
            self._floors = tuple(cp.Parameter(len(buy), nonneg=True) for _ in range(2))
            pairs = zip((self.variables.buy, self.variables.sell), self._floors, strict=True)
            self._box_constraints += [side >= floor for side, floor in pairs]
            self.problem = self._assemble()
        for floor, least in zip(self._floors, (buy, sell), strict=False):
            put(floor, least)

    def require_finite(self) -> None:
        """Refuse parameters that are not finite numbers, by name: solvers loop on them."""
        for parameter in self.problem.parameters():
            value = parameter.value
            if value is not None and not np.isfinite(np.asarray(value, float)).all():
                raise InputError(
                    "holds a number that is not finite", field=self._owner(parameter), fix="give finite numbers everywhere"
                )
        for weight, term, _ in self.objective_terms:
            if not np.isfinite(weight):
                raise InputError(
                    "is not a finite number", file="policy", field=f"weight of {term.name}", value=weight,
                    fix="give a finite weight",
                )  # fmt: skip

    def _owner(self, parameter: cp.Parameter) -> str:
        """The term or limit that a parameter belongs to, by the name that a policy gives it."""
        for term, bound in self._bound.items():
            if any(value is parameter for value in vars(bound).values()):
                return str(term.name)
        for limit in self.limits:
            if any(p is parameter for row in limit.constraints for p in row.parameters()):
                return str(getattr(getattr(limit, "spec", None), "name", None) or type(limit).__name__)
        return str(parameter.name())

    def restore_duals(self) -> None:
        """Shadow prices in the objective's unit, which solvers see divided."""
        if self._unit == 1.0:
            return
        for row in self.problem.constraints:
            for dual in row.dual_variables:
                if dual.value is not None:
                    dual.save_value(np.asarray(dual.value) * self._unit)

    def refine(self, e: Exposures, x: np.ndarray) -> bool:
        """Sharpen what terms and limits approximate around trades x; whether solving again helps."""
        parts = [part for part in self.parts if hasattr(part, "refine")]
        changed = [part.refine(e, x, self.scale) for part in parts]  # every one, not only until the first
        return any(changed)

    def anchor(self, e: Exposures, x: np.ndarray) -> bool:
        """Make margin rules that are not convex exact at trades x; whether they ask for less there than they did.

        Trades x stay feasible, so that what the next solve finds is no worse.
        """
        parts = [part for part in (*self._bound.values(), *self.limits) if hasattr(part, "anchor")]
        changed = [part.anchor(e, x) for part in parts]
        return any(changed)

    def forget(self, tight: bool = False) -> None:
        """Margin rules that were made exact at a solution start from the book as it stands again.

        ``tight``: at the leverage of what is held, which holds as far as :meth:`narrow`; else wherever trades may lead.
        """
        for part in (*self._bound.values(), *self.limits):
            if hasattr(part, "forget"):
                part.forget(tight)

    def narrow(self, e: Exposures, box: Box) -> Box:
        """The box cut to the positions up to which margin rules hold as they are encoded now (leverage by bracket)."""
        parts = [part for part in (*self._bound.values(), *self.limits) if hasattr(part, "domain")]
        largest = np.min([np.full(e.n_candidates, np.inf), *(part.domain(e) for part in parts)], axis=0)
        held = e.rows.quantity[e.candidate]
        low, high = -largest - held, largest - held
        tighter_low, tighter_high = low > box.lower, high < box.upper
        if not tighter_low.any() and not tighter_high.any():
            return box
        source = box.names.index(VENUE_BOX)
        return Box(
            np.maximum(box.lower, low),
            np.minimum(box.upper, high),
            np.where(tighter_low, source, box.lower_from),
            np.where(tighter_high, source, box.upper_from),
            box.names,
        )

    def bracketed(self, e: Exposures) -> list[str]:
        """Accounts whose initial margin jumps within the trade limits: no leverage named, or more held than it allows."""
        found = {c for part in self.parts if hasattr(part, "jumping") for c in part.jumping(e)}
        return [e.accounts[c] for c in sorted(found)]

    def x(self) -> np.ndarray:
        """(N,) trades of the last solve, inside their box."""
        net = np.asarray(self.variables.buy.value - self.variables.sell.value)
        low, high = -self._sell_cap.value, self._buy_cap.value
        if self._floors:
            buy, sell = (floor.value for floor in self._floors)
            low, high = np.where(buy > 0.0, buy, low), np.where(sell > 0.0, -sell, high)
        return self.scale * np.clip(net, low, high)

    def place(self, x: np.ndarray) -> None:
        """Set the variables to trades x (N,), so that what is written on them is evaluated there."""
        if len(x) != self.variables.buy.size:  # a program over some of the candidates that judges all of them
            return
        self.variables.buy.save_value(np.maximum(x, 0.0) / self.scale)
        self.variables.sell.save_value(np.maximum(-x, 0.0) / self.scale)

    @contextmanager
    def placed(self, x: np.ndarray) -> Iterator[None]:
        """The variables at trades x for a while."""
        before = self.variables.buy.value, self.variables.sell.value
        self.place(x)
        try:
            yield
        finally:
            self.variables.buy.save_value(before[0])
            self.variables.sell.save_value(before[1])

    def objective_value(self, e: Exposures, x: np.ndarray) -> float:
        """The objective in plain numpy."""
        return float(sum(weight * bound.evaluate(e, x) for weight, _, bound in self.objective_terms))

    def sides(self, e: Exposures, x: np.ndarray) -> list[Side]:
        """Every limit's value, bound and shadow price, in plain numpy; names are unique, also of two limits on one term."""
        return [side for mine in self.named_sides(e, x) for side in mine]

    def named_sides(self, e: Exposures, x: np.ndarray) -> list[list[Side]]:
        """:meth:`sides`, limit by limit."""
        taken: set[str] = set()
        found: list[list[Side]] = []
        for k, limit in enumerate(self.limits):
            self._shown[k], mine = {}, []
            for side in limit.sides(e, x):
                name, count = side.name, 1
                while name in taken:
                    count += 1
                    name = f"{side.name} ({count})"
                taken.add(name)
                self._shown[k][side.name] = name
                mine.append(replace(side, name=name))
            found.append(mine)
        return found

    def lagrangian(self, e: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """A separable function nowhere above objective plus duals times constraint functions."""
        total = Separable(np.zeros(e.n_candidates))
        for weight, _, bound in self.objective_terms:
            total += bound.minorant(e, x, tails).scaled(weight)
        for limit in self.limits:
            total += limit.minorant(e, x, tails)
        return total

    def bound_terms(self) -> Iterator[tuple[Term, BoundTerm]]:
        """Every term of objective and limits with its form in the program."""
        yield from self._bound.items()

    def _term(self, term: Term, e: Exposures) -> BoundTerm:
        if term not in self._bound:
            self._bound[term] = term.bind(self.variables, e)
        return self._bound[term]

    def _assemble(self) -> cp.Problem:
        named: list[Any] = [c for limit in self.limits for c in limit.constraints]
        # rows that define the auxiliary variables of terms and limits (a worst scenario, for one)
        own = [c for part in self.parts for c in getattr(part, "auxiliary", ())]
        return cp.Problem(self._objective, [*named, *own, *self._box_constraints, *self._added])
