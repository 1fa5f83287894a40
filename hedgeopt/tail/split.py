"""Split a cvxpy problem into a base problem, where each CVaR is one scalar variable, and the tails themselves.

Replacing a convex atom by an epigraph variable is exact in every problem that passes cvxpy's convexity rules, so a
tail may appear wherever a convex scalar may: in the objective, in ``<=`` constraints, or inside ``maximum``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
from cvxpy.atoms.atom import Atom
from cvxpy.atoms.sum_largest import sum_largest

from hedgeopt.errors import UnsupportedForm
from hedgeopt.tail.atom import CVaRAtom
from hedgeopt.tail.recognise import AffineLosses, recognise


@dataclass(frozen=True)
class SplitTail:
    """One distinct CVaR of a problem: ``level >= atom`` in the base problem, ``factor * atom = CVaR``."""

    atom: cp.Expression
    level: cp.Variable
    losses: AffineLosses
    inner: tuple[int, ...]
    """For each term of ``losses`` the position in :attr:`Split.inner` of the variable it multiplies."""


@dataclass
class Split:
    """A problem split for the tail solver; ``inner[j] == y_j`` are the arguments the scenario matrices multiply."""

    base: cp.Problem
    tails: list[SplitTail]
    inner: list[cp.Variable]
    canon: dict[str, Any] = field(default_factory=dict)
    """cvxpy's options for compiling the base problem."""
    memory: dict[str, Any] = field(default_factory=dict)
    """Data that a re-solve of the same structure reuses (see :mod:`hedgeopt.tail.compiled`)."""


def has_tails(problem: cp.Problem) -> bool:
    """Whether any part of ``problem`` is a CVaR of losses that this package reads."""
    atoms: dict[int, cp.Expression] = {}
    for root in (problem.objective, *problem.constraints):
        for arg in root.args:
            _collect(arg, atoms)
    return bool(atoms)


def renew(problem: cp.Problem) -> None:
    """Forget canonical forms that name other variables: those that ``copy.deepcopy`` took along abort the interpreter."""
    if not any(_stale(leaf) for leaf in (*problem.variables(), *problem.parameters())):
        return
    stack: list[Any] = [problem.objective, *problem.constraints]
    seen: set[int] = set()
    while stack:
        e = stack.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        vars(e).pop("_lazy_canonical_form", None)
        stack.extend(getattr(e, "args", ()))
        if "_expr" in vars(e):
            stack.append(vars(e)["_expr"])


def _stale(leaf: cp.Variable | cp.Parameter) -> bool:
    form = vars(leaf).get("_lazy_canonical_form")
    return form is not None and getattr(form[0], "data", leaf.id) != leaf.id


def split(problem: cp.Problem) -> Split:
    """Replace every tail of ``problem``; UnsupportedForm names the sub-expression that cannot be replaced."""
    atoms: dict[int, cp.Expression] = {}
    for root in (problem.objective, *problem.constraints):
        for arg in root.args:
            _collect(arg, atoms)
    levels = {key: cp.Variable(name=f"tail{i}") for i, key in enumerate(atoms)}
    _check_convex(problem, levels)

    inner: dict[object, cp.Variable] = {}
    definitions: list[cp.Constraint] = []
    tails: list[SplitTail] = []
    for key, atom in atoms.items():
        losses = recognise(atom.args[0])
        positions = []
        for term in losses.terms:
            e = term.inner
            name = e.id if isinstance(e, cp.Variable) else id(e)
            if name not in inner:
                inner[name] = cp.Variable(e.shape)
                definitions.append(inner[name] == e)
            positions.append(list(inner).index(name))
        tails.append(SplitTail(atom, levels[key], losses, tuple(positions)))
    objective = problem.objective.copy([_replace(problem.objective.args[0], levels)])
    constraints = [rebuild(c, levels) for c in problem.constraints]
    return Split(cp.Problem(objective, constraints + definitions), tails, list(inner.values()))


def is_tail(e: Any) -> bool:
    """Whether ``e`` is ``hedgeopt.tail.cvar`` or the ``sum_largest`` that ``cp.cvar`` builds.

    Of losses that are not affine, such as ``|x|``, it is an atom as any other, which cvxpy compiles.
    """
    if isinstance(e, CVaRAtom):
        return bool(e.args[0].is_affine())
    whole = isinstance(e, sum_largest) and e.axis is None and e.args[0].ndim == 1
    return bool(whole and e.args[0].is_affine() and e.k <= e.args[0].size * (1 + 1e-12))


def _collect(e: Any, atoms: dict[int, cp.Expression]) -> None:
    if is_tail(e) and e.variables():
        atoms.setdefault(id(e), e)
        return
    for arg in e.args:
        # A partially optimised problem is an expression whose argument is a problem: cvxpy's.
        if isinstance(arg, cp.Expression):
            _collect(arg, atoms)


class _Convex(Atom):
    """The identity, declared convex only: it replaces a tail while cvxpy checks convexity."""

    def shape_from_args(self) -> tuple[int, ...]:
        return ()

    def sign_from_args(self) -> tuple[bool, bool]:
        return False, False

    def is_atom_convex(self) -> bool:
        return True

    def is_atom_concave(self) -> bool:
        return False

    def is_incr(self, idx: int) -> bool:
        return True

    def is_decr(self, idx: int) -> bool:
        return False

    def numeric(self, values: Any) -> Any:
        return values[0]

    def _grad(self, values: Any) -> Any:
        raise NotImplementedError


def _check_convex(problem: cp.Problem, levels: dict[int, cp.Variable]) -> None:
    """Raise where cvxpy's rules do not allow a convex expression in the place of a tail."""
    stand_ins = {key: _Convex(level) for key, level in levels.items()}
    for part in (problem.objective, *problem.constraints):
        if _holds_tail(part) and not rebuild(part, stand_ins).is_dcp():
            if isinstance(part, cp.Minimize | cp.Maximize):
                where = "a CVaR may be minimised with a non-negative weight (or maximised with a negative one)"
            else:
                where = "a CVaR may only be on the smaller side of an inequality, with a non-negative weight"
            raise UnsupportedForm(f"not a convex use of CVaR: {where}", field=" ".join(str(part).split()))


def _holds_tail(e: Any) -> bool:
    return (is_tail(e) and bool(e.variables())) or any(_holds_tail(arg) for arg in e.args if isinstance(arg, cp.Expression))


def _replace(e: Any, new: dict[int, Any]) -> Any:
    if id(e) in new:
        return new[id(e)]
    if not all(isinstance(arg, cp.Expression) for arg in e.args):
        return e
    args = [_replace(arg, new) for arg in e.args]
    return e if all(a is b for a, b in zip(args, e.args, strict=True)) else e.copy(args)


def rebuild(part: Any, new: dict[int, Any]) -> Any:
    """An objective or constraint with tails replaced; untouched parts stay the same object, copies keep their id."""
    args = [_replace(arg, new) for arg in part.args]
    return part if all(a is b for a, b in zip(args, part.args, strict=True)) else part.copy(args)
