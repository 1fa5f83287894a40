"""Problems with integers: which search, and what its answer says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cvxpy as cp
import numpy as np
from cvxpy import settings as s

from hedgeopt.tail.compiled import compile_base, is_polyhedral, second_order
from hedgeopt.tail.cuts import CutNodes
from hedgeopt.tail.integers import Relaxation, spell_out
from hedgeopt.tail.model import LossModel
from hedgeopt.tail.nodes import WholeNodes
from hedgeopt.tail.outcome import Options, Outcome
from hedgeopt.tail.split import Split
from hedgeopt.tail.tree import Search

_Solve = Callable[[Split, Options, str | None], Outcome]

# Nodes that a proof may take where a solver of integer programs has already said the optimum.
_PROOF = 2_000
_FOUND = (s.OPTIMAL, s.OPTIMAL_INACCURATE)


def search(
    parts: Split, models: list[LossModel], variables: list[cp.Variable], options: Options, gap: float, solve: _Solve
) -> Outcome:
    """Search the integers of ``parts``; ``variables`` may hold a point to begin from, ``solve`` answers one problem.

    Without tails there is nothing here that solvers of integer programs do not do: one is asked first, and the search
    only proves what it said.
    """
    if "relaxation" not in parts.memory:
        parts.memory["spelled"] = spell_out(parts)
        parts.memory["relaxation"] = Relaxation(parts.memory["spelled"])
    parts, relaxation = parts.memory["spelled"], parts.memory["relaxation"]
    hint = relaxation.given(variables)
    nodes = _nodes(relaxation, models, options, gap, solve)
    said, engine = None, None if models else _engine(parts, nodes)
    if engine is not None:
        try:
            said = solve(parts, replace(options, tolerance=gap or options.tolerance), engine)
        except (ValueError, cp.SolverError):
            # What is wrong with the problem the search says itself; this may be the solver's interface.
            said = None
        if said is None:
            pass
        elif said.status in _FOUND:
            hint = relaxation.read(said.master.solution(said.point, np.zeros(0)).primal_vars)
        elif said.status not in (s.INFEASIBLE, s.UNBOUNDED):
            said = None
    tree = Search(nodes, options if said is None else replace(options, max_nodes=min(options.max_nodes, _PROOF)), gap)
    outcome = tree.run(hint)
    if outcome.status == s.UNBOUNDED and said is None:
        # With integers, an unbounded relaxation says nothing until there is a point.
        free = Relaxation(parts, objective=False)
        found = Search(_nodes(free, models, options, gap, solve), options, gap).run(None)
        if found.status == s.INFEASIBLE:
            outcome.status = s.INFEASIBLE
        elif found.status not in _FOUND:
            outcome.status = found.status
    if said is not None and outcome.status not in (s.OPTIMAL, s.INFEASIBLE):
        outcome = said
    outcome.search = {"nodes": nodes.count, "root_bound": tree.root, "fixed": tree.fixed + tree.shut}
    return outcome


def _engine(parts: Split, nodes: WholeNodes) -> str | None:
    """A solver of integer programs that takes the whole problem; None where none is installed."""
    if isinstance(nodes, CutNodes):
        return "HIGHS"
    return "SCIP" if "SCIP" in cp.installed_solvers() and second_order(nodes.relaxation.parts) else None


def _nodes(relaxation: Relaxation, models: list[LossModel], options: Options, gap: float, solve: _Solve) -> WholeNodes:
    """Cuts where the program is linear, whole problems elsewhere."""

    def whole(options: Options) -> Outcome:
        return solve(relaxation.parts, options, None)

    relaxation.within(relaxation.first, relaxation.last)
    if is_polyhedral(relaxation.parts) and compile_base(relaxation.parts).P is None and CutNodes.fits(relaxation):
        return CutNodes(relaxation, whole, options, gap, models)
    return WholeNodes(relaxation, whole, options, gap)
