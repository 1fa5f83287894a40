"""A :class:`hedgeopt.Policy` in the loop: the same object as in live use, its program compiled once per structure."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgeopt.backtest.past import as_known
from hedgeopt.backtest.policies.closest import closest_in_lots
from hedgeopt.backtest.policies.columns import Columns
from hedgeopt.backtest.policies.protocol import Decision, Observation, Order, TransferOrder
from hedgeopt.backtest.valuation import Promise
from hedgeopt.errors import CertificateError, InfeasibleError, InputError
from hedgeopt.exposures.expose import expose
from hedgeopt.files.calls import strict_class
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.costs.transaction import TransactionCost
from hedgeopt.models.risk.cvar import CVaR, tail_loss, value_at_risk
from hedgeopt.program.box import trade_box
from hedgeopt.program.certificate import relative_violation
from hedgeopt.program.certified import solve_program
from hedgeopt.program.dust import swept
from hedgeopt.program.lots import whole_lots
from hedgeopt.program.program import Program
from hedgeopt.program.search import Deadline
from hedgeopt.program.solution import Solution, Stages

__all__ = ["Optimizer", "orders_of"]

_KEPT = 4
_HOLDS = 1e-9
_LOTS_SECONDS = 20.0


@strict_class
class Optimizer:
    """Myopic: at every step the certified optimum of the policy on what is known.

    Parameters
    ----------
    rules
        Any policy. Its candidates' ``mark_half_spread`` falls back to the engine's.
    no_trade
        USD by which trading must lower the objective, where the book meets every limit as it is; otherwise it holds.
    budget
        Largest trading cost per step, USD: added as the limit ``TransactionCost() <= budget``.
    infeasible
        What to do when no trade list meets every limit: ``hold``, or ``minimise violation``: the cheapest trades (by the
        objective) among those whose excess over each broken limit is that of the closest point, in whole lots rounded: as
        many as the policy allows, and no limit further out than without any. Where none are left, it holds. All are events.
    exact_lots
        Whether a policy of whole lots is searched as thoroughly as in live use; otherwise only quickly:
        rounded, and by integers over cuts. An event of each step says the gap.
    """

    def __init__(
        self,
        rules: Policy,
        *,
        no_trade: float = 0.0,
        budget: float | None = None,
        infeasible: str = "hold",
        exact_lots: bool = False,
        name: str | None = None,
    ) -> None:
        if rules.candidates.ticket is not None:
            fix = "leave it out: the ledger of a backtest charges none"
            raise InputError("tickets are not counted in backtests", file="policy", field="candidates.ticket", fix=fix)
        if budget is not None:
            rules = rules.model_copy(update={"subject_to": (*rules.subject_to, TransactionCost() <= budget)})
        self.rules, self.no_trade, self.infeasible, self.exact_lots = rules, no_trade, infeasible, exact_lots
        self.name = name or rules.name
        self.horizon_days = rules.scenarios.horizon_days
        rules.stress.chosen()  # an unknown name is refused even where nothing looks at it
        self._columns = Columns(rules)
        self.solution: Solution | None = None
        self._compiled = 0
        self._named = False  # names are checked at the first step: instruments come and go after it
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        terms = [part.term for part in rules.minimize] + [term for limit in rules.subject_to for term in limit.terms()]
        self._beta = next((term.beta for term in terms if isinstance(term, CVaR)), 0.99)

    def decide(self, state: Observation) -> Decision:
        """Solve, or hold inside the no-trade region."""
        rules = self.rules
        if rules.candidates.mark_half_spread is None and state.mark_half_spread is not None:
            chosen = rules.candidates.model_copy(update={"mark_half_spread": state.mark_half_spread})
            rules = rules.model_copy(update={"candidates": chosen})
        with as_known(rules.scenarios, state.market.timestamp, lambda: state.history) as known:
            if known is not rules.scenarios:
                rules = rules.model_copy(update={"scenarios": known})
            e = expose(state.book, state.market, rules, stressed=self._columns.stressed, check_names=not self._named)
            self._named = True
        self.solution = self._quick(e)
        if self.no_trade > 0 and self._may_hold(e):
            nothing = np.zeros(e.n_candidates)
            self.solution = self.solution or self._solve(self._program(e), e)
            gain = self._judge(e).objective_value(e, nothing) - self.solution.certificate.objective
            if gain < self.no_trade:
                return self._decision(e, nothing, [{"kind": "no_trade", "gain": gain}])
        if self.solution is not None:
            return self._decision(e, self.solution.trades, self._gap())
        program = self._program(e)
        try:
            self.solution = self._solve(program, e)
            return self._decision(e, self.solution.trades, self._gap())
        except InfeasibleError as error:
            if self.infeasible == "hold" or not error.violations:
                raise
            x = self._closest(program, e, error)
            action, message = "minimise violation", str(error)
            if self.rules.whole and not x.any():
                action, message = "hold", f"{message}; no list in whole lots that is allowed comes closer"
            return self._decision(e, x, [{"kind": "infeasible", "message": message, "action": action}])

    @property
    def compiled(self) -> int:
        """Programs compiled so far."""
        return self._compiled + self._columns.compiled

    def _quick(self, e: Exposures) -> Solution | None:
        """The optimum over chosen columns; None where it is not sought, or not found and the whole program must tell."""
        if self.exact_lots and self.rules.whole:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                found = self._columns.solve(e)
                if found is None or not self.rules.whole or self._columns.program is None:
                    return found
                return whole_lots(self._columns.program, e, found, Stages(), Deadline(_LOTS_SECONDS), exact=False)
            except CertificateError:  # the full program may have a list, or be infeasible
                return None

    def _solve(self, program: Program, e: Exposures) -> Solution:
        """A solver that stops early warns; here the certificate judges."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return solve_program(program, e, lots="exact" if self.exact_lots else "quick")

    def _gap(self) -> list[dict[str, Any]]:
        """What whole lots cost at this step, as an event; none where any size is traded."""
        certificate = None if self.solution is None else self.solution.certificate
        if certificate is None or certificate.lots_cost is None:
            return []
        return [{"kind": "lots", "gap": certificate.gap, "cost": certificate.lots_cost, "valid": certificate.valid}]

    def _program(self, e: Exposures) -> Program:
        key = e.structure()
        program = self._programs.get(key)
        if program is None:
            program = Program(self.rules, e)
            self._compiled += 1
            self._programs[key] = program
            if len(self._programs) > _KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return program

    def _judge(self, e: Exposures) -> Program:
        """A program that evaluates objective and limits on these exposures."""
        return self._columns.program or self._program(e)

    def _may_hold(self, e: Exposures) -> bool:
        judge = self._judge(e)
        if judge is not self._columns.program:
            judge.update(e, trade_box(judge.policy, e))
        return all(relative_violation(side) <= _HOLDS for side in judge.sides(e, np.zeros(e.n_candidates)))

    def _closest(self, program: Program, e: Exposures, error: InfeasibleError) -> np.ndarray:
        """The objective's optimum with each broken limit loosened to its value at the closest point, rounded to lots."""
        box = trade_box(program.policy, e)
        loosened = {}
        for name, (value, limit, _) in error.violations.items():
            loosened[name] = -1.001 * abs(value - limit) - 1e-6 * abs(limit)
        program.update(e, box, loosened)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            program.problem.solve(method="tail", tolerance=0.1 * program.policy.tolerance)
        if program.variables.buy.value is None:
            raise error
        x = swept(e, program.x())  # nothing is proven about this one
        return closest_in_lots(program, e, x) if self.rules.whole else x

    def _decision(self, e: Exposures, x: np.ndarray, events: Sequence[dict[str, Any]]) -> Decision:
        losses, p = -(e.base_pnl + e.pnl @ x), e.probabilities
        promise = Promise(tail_loss(losses, self._beta, p), value_at_risk(losses, self._beta, p), self._beta)
        orders, transfers = orders_of(e, x)
        return Decision(orders, transfers, promise, events, self.rules.scenarios)


def orders_of(e: Exposures, x: np.ndarray) -> tuple[list[Order], list[TransferOrder]]:
    """Trades x (N,) as orders and transfers: all of them, as certified."""
    orders, transfers = [], []
    for n in np.flatnonzero(x):
        row = e.candidate[n]
        item = e.rows.instruments[row]
        if item.nature.transfer:
            transfers.append(TransferOrder(item.source, item.target, item.asset, float(x[n])))
        else:
            account = e.rows.account[row]
            orders.append(Order(e.accounts[account], item.name, float(x[n]), maker=e.fee_terms[account].maker))
    return orders, transfers
