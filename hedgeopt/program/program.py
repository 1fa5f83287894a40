"""A convex program from exposures and a policy, compiled once and updated with new data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cvxpy as cp
import numpy as np

from hedgeopt.constraints.constraint import BoundConstraint, Constraint, Side
from hedgeopt.errors import InputError
from hedgeopt.files.calls import strict_class
from hedgeopt.files.counted import many
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.bound import BoundPart, BoundTerm, put
from hedgeopt.models.costs.fills import with_fills
from hedgeopt.models.separable import Separable
from hedgeopt.models.term import Term
from hedgeopt.program.box import Box, narrowed
from hedgeopt.program.cones import check_own
from hedgeopt.program.counted import in_dollars
from hedgeopt.program.limits import limits_of
from hedgeopt.program.named import named_once
from hedgeopt.program.own_terms import check_form
from hedgeopt.program.own_whole import OwnConstraints, own_constraints
from hedgeopt.program.posed import posed

__all__ = ["Program"]


@strict_class
class Program:
    """A policy compiled for exposures of one structure; in dollars, whatever the policy counts in.

    Attributes
    ----------
    problem : cvxpy.Problem
        Visible and editable: ``program.extend(constraint, ...)`` adds constraints written on :attr:`trades`.
    trades : cvxpy.Expression
        (N,) signed trades in the candidates' quantity units.
    """

    def __init__(self, policy: Policy, exposures: Exposures, *, elastic: bool | Mapping[int, float] = False) -> None:
        n = exposures.n_candidates
        self._unit = 1.0
        policy = in_dollars(policy, exposures)
        self.policy, self.structure, self.elastic = policy, exposures.structure(), elastic is not False
        buy, sell = (cp.Variable(n, name=name, nonneg=True) for name in ("buy", "sell"))
        self.variables = with_fills(buy, sell, exposures.depth)
        self._scale = cp.Parameter(n, nonneg=True, name="scale")
        self._buy_cap = cp.Parameter(n, nonneg=True, name="buy_cap")
        self._sell_cap = cp.Parameter(n, nonneg=True, name="sell_cap")
        self.trades = cp.multiply(self._scale, self.variables.net)
        self._bound: dict[Term, BoundTerm] = {}
        self.own = OwnConstraints()
        self._off: frozenset[tuple[int, int]] = frozenset()
        self._compiled_off = self._off
        self._shown: dict[int, dict[str, str]] = {}  # per limit: what its sides call themselves, and what they are called
        self.objective_terms = [(part.weight, part.term, self._term(part.term, exposures)) for part in policy.minimize]
        self.limit_specs = limits_of(policy, exposures)
        eased = elastic if isinstance(elastic, Mapping) else {}
        self.limits: list[BoundConstraint] = []
        for k, spec in enumerate(self.limit_specs):
            self._slack = elastic is True or k in eased
            self.limits.append(self.bound(spec, exposures))
        self._box_constraints = [self.variables.buy <= self._buy_cap, self.variables.sell <= self._sell_cap]
        self._floors: tuple[cp.Parameter, ...] = ()
        if self.elastic:
            costs = (eased.get(k, 1.0) * limit.slack_cost for k, limit in enumerate(self.limits))
            objective = sum(costs, start=cp.Constant(0.0))
        else:
            # solvers judge by absolute sizes: an objective times 1e-9 is the same question
            self._unit = sum(abs(weight) for weight, _, _ in self.objective_terms) or 1.0
            objective = cp.sum([(weight / self._unit) * bound.expression for weight, _, bound in self.objective_terms])
        self._objective = cp.Minimize(objective)
        self.problem = self._assemble()

    def bound(self, spec: Constraint, exposures: Exposures) -> BoundConstraint:
        """A limit's form in this program."""
        return spec.bind(self.variables, exposures, lambda term: self._term(term, exposures), slack=self._slack)

    def __repr__(self) -> str:
        return f"Program({self.policy!r}, {many(self.variables.buy.size, 'candidate')})"

    def respecify(self, policy: Policy, exposures: Exposures) -> bool:
        """Take over a policy that differs in numbers of limits alone, with nothing compiled again; False where it does not.

        What it was solved for before is forgotten: load data with :meth:`update` next.
        """
        policy = in_dollars(policy, exposures)
        if policy.minimize != self.policy.minimize or exposures.structure() != self.structure or self.elastic:
            return False
        specs = limits_of(policy, exposures)
        if [type(spec) for spec in specs] != [type(spec) for spec in self.limit_specs]:
            return False
        changed = [k for k, (old, new) in enumerate(zip(self.limit_specs, specs, strict=True)) if old != new]
        bound = [self.bound(specs[k], exposures) for k in changed]
        for number, (k, new) in enumerate(zip(changed, bound, strict=True)):
            if not self.limits[k].respecify(new):
                for back in changed[:number]:
                    self.limits[back].respecify(self.bound(self.limit_specs[back], exposures))
                return False
        self.limit_specs, self.policy, self._shown = specs, policy, {}
        return True

    def extend(self, *constraints: cp.Constraint) -> None:
        """Add cvxpy constraints on :attr:`trades`, :attr:`buys`, :attr:`sells` and your own variables.

        They hold for every later solve. Every cone of cvxpy will do; the certificate proves its bound with them and
        evaluates them at the trades that are listed, of which each is a buy or a sell. Integer and boolean variables, finite
        sets and logic are met by a list in whole lots, whose bound is that of the program without their whole numbers.

        Raises
        ------
        InputError
            For what can't be proven: constraints that are not convex (DCP), parameters without a value, whole numbers where
            the policy's lots are ideal.
        """
        for constraint in constraints:
            check_own(constraint, (self._scale,))
        own = own_constraints((*self.own.given, *constraints))
        if own.whole and not self.policy.whole:
            raise InputError(
                "holds whole numbers (integer or boolean variables), which ideal trades do not meet", field="extend",
                value=", ".join(str(c) for c in constraints)[:60], fix='set lots = "whole" in the policy',
            )  # fmt: skip
        self.own = own
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
    def parts(self) -> list[BoundPart]:
        """Every bound term and limit."""
        return [*self._bound.values(), *self.limits]

    @property
    def added(self) -> tuple[cp.Constraint, ...]:
        """The constraints added by :meth:`extend`."""
        return self.own.given

    @property
    def off(self) -> frozenset[tuple[int, int]]:
        """Accounts and assets whose rules on leaving collateral are switched off; see :mod:`hedgeopt.program.branches`."""
        return self._off

    def switch(self, off: frozenset[tuple[int, int]], *, compile: bool = True) -> None:
        """Leave out the rules of some accounts and assets; without ``compile`` only in what is evaluated."""
        self._off = off
        for limit in self.limits:
            limit.switch(off)
        if compile and off != self._compiled_off:
            self._compiled_off, self.problem = off, self._assemble()

    def update(self, exposures: Exposures, box: Box, tighten: Mapping[str, float] | None = None) -> None:
        """Load new data of the same structure; nothing is compiled again."""
        if exposures.structure() != self.structure:
            raise InputError("the exposures have another structure than the program", fix="compile a new program")
        self.scale = np.maximum(np.maximum(-box.lower, box.upper), 0.0)
        self.scale[self.scale == 0.0] = 1.0
        put(self._scale, self.scale)
        put(self._buy_cap, np.maximum(box.upper, 0.0) / self.scale)
        put(self._sell_cap, np.maximum(-box.lower, 0.0) / self.scale)
        self._put_floors(np.maximum(box.lower, 0.0) / self.scale, np.maximum(-box.upper, 0.0) / self.scale)
        if self.variables.fills is not None and exposures.depth is not None:
            self.variables.fills.update(exposures.depth, self.scale, box.lower, box.upper)
        for bound in self._bound.values():
            bound.update(exposures, self.scale)
        if tighten and not self._shown:
            self.sides(exposures, np.zeros(exposures.n_candidates))
        for k, limit in enumerate(self.limits):
            own = {name: (tighten or {}).get(shown, 0.0) for name, shown in self._shown.get(k, {}).items()}
            limit.update(exposures, self.scale, own)

    def _put_floors(self, buy: np.ndarray, sell: np.ndarray) -> None:
        """Trades that the box does not leave free to be nothing; the first such box compiles the program again."""
        if not self._floors and (buy.any() or sell.any()):
            self._floors = tuple(cp.Parameter(len(buy), nonneg=True) for _ in range(2))
            pairs = zip((self.variables.buy, self.variables.sell), self._floors, strict=True)
            self._box_constraints += [side >= floor for side, floor in pairs]
            self.problem = self._assemble()
        for floor, least in zip(self._floors, (buy, sell), strict=False):
            put(floor, least)

    def restore_duals(self) -> None:
        """Shadow prices in the objective's unit, which solvers see divided."""
        if self._unit == 1.0:
            return
        for row in self.problem.constraints:
            for dual in row.dual_variables:
                if dual.value is not None:
                    dual.save_value(np.asarray(dual.value) * self._unit)

    def refine(self, exposures: Exposures, x: np.ndarray) -> bool:
        """Sharpen approximations of terms and limits around trades x; returns whether solving again helps."""
        changed = [part.refine(exposures, x, self.scale) for part in self.parts]  # every one, not only until the first
        fills = self.variables.fills
        changed.append(fills is not None and fills.near(x))
        return any(changed)

    @property
    def chorded(self) -> bool:
        """Whether impact is counted at chords."""
        return self.variables.fills is not None and self.variables.fills.chorded

    @property
    def coarse(self) -> bool:
        """Whether impact is counted at chords that the next solve can draw in: until then no bound is worth a search."""
        return self.variables.fills is not None and self.variables.fills.coarse

    def anchor(self, exposures: Exposures, x: np.ndarray) -> bool:
        """Make margin rules that are not convex exact at trades x; whether they ask for less there than they did.

        Trades x stay feasible, so that what the next solve finds is no worse.
        """
        changed = [part.anchor(exposures, x) for part in self.parts]
        return any(changed)

    def forget(self, tight: bool = False) -> None:
        """Reset margin rules that were made exact at a solution to the present book.

        ``tight``: at the leverage of what is held, which holds as far as :meth:`narrow`; else wherever trades may lead.
        """
        for part in self.parts:
            part.forget(tight)
        if self.variables.fills is not None:
            self.variables.fills.forget()

    def narrow(self, exposures: Exposures, box: Box) -> Box:
        """The box cut to the positions up to which margin rules hold as they are encoded now (leverage by bracket)."""
        return narrowed(
            box,
            exposures,
            np.min([np.full(exposures.n_candidates, np.inf), *(part.domain(exposures) for part in self.parts)], axis=0),
        )

    def bracketed(self, exposures: Exposures) -> list[str]:
        """Accounts whose initial margin jumps within the trade limits: no leverage named, or more held than it allows."""
        found = {c for part in self.parts for c in part.jumping(exposures)}
        return [exposures.accounts[c] for c in sorted(found)]

    def near(self, exposures: Exposures) -> list[str]:
        """Accounts for which the last bound holds for their margin rule as it was encoded around the answer."""
        found = {c for part in self.parts for c in part.near(exposures)}
        return [exposures.accounts[c] for c in sorted(found)]

    def x(self) -> np.ndarray:
        """(N,) trades of the last solve, inside their box."""
        net = np.asarray(self.variables.buy.value - self.variables.sell.value)
        low, high = -self._sell_cap.value, self._buy_cap.value
        if self._floors:
            buy, sell = (floor.value for floor in self._floors)
            low, high = np.where(buy > 0.0, buy, low), np.where(sell > 0.0, -sell, high)
        return self.scale * np.clip(net, low, high)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest trades (N,) as loaded by :meth:`update`."""
        return -self.scale * np.asarray(self._sell_cap.value), self.scale * np.asarray(self._buy_cap.value)

    def place(self, x: np.ndarray) -> None:
        """Set the variables to trades x (N,), so that expressions of them are evaluated there."""
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

    def objective_value(self, exposures: Exposures, x: np.ndarray) -> float:
        """The objective in plain numpy."""
        return float(sum(weight * bound.evaluate(exposures, x) for weight, _, bound in self.objective_terms))

    def sides(self, exposures: Exposures, x: np.ndarray) -> list[Side]:
        """Every limit's value, bound and shadow price, in plain numpy; names are unique, also of two limits on one term."""
        return [side for mine in self.named_sides(exposures, x) for side in mine]

    def named_sides(self, exposures: Exposures, x: np.ndarray) -> list[list[Side]]:
        """:meth:`sides`, limit by limit."""
        found, self._shown = named_once([limit.sides(exposures, x) for limit in self.limits])
        return found

    def lagrangian(self, exposures: Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> Separable:
        """A separable function nowhere above objective plus duals times constraint functions."""
        total = Separable(np.zeros(exposures.n_candidates))
        for weight, _, bound in self.objective_terms:
            total += bound.minorant(exposures, x, tails).scaled(weight)
        for limit in self.limits:
            total += limit.minorant(exposures, x, tails)
        return total

    def bound_terms(self) -> Iterator[tuple[Term, BoundTerm]]:
        """Every term of objective and limits with its form in the program."""
        yield from self._bound.items()

    def _term(self, term: Term, e: Exposures) -> BoundTerm:
        if term not in self._bound:
            bound = term.bind(self.variables, e)
            check_form(term, bound)
            self._bound[term] = bound
        return self._bound[term]

    def for_lists(self) -> cp.Problem:
        """The problem with the whole numbers that the user's constraints hold, which :attr:`problem` leaves out."""
        return self._assemble(exact=True) if self.own.whole else self.problem

    def _assemble(self, exact: bool = False) -> cp.Problem:
        named: list[Any] = [c for limit in self.limits for c in limit.constraints]
        # rows that define the auxiliary variables of terms and limits (a worst scenario, for one)
        own = [c for part in self.parts for c in part.auxiliary]
        own += [] if self.variables.fills is None else self.variables.fills.constraints
        return cp.Problem(
            self._objective, [*named, *own, *self._box_constraints, *posed(self.own.exact if exact else self.own.relaxed)]
        )
