"""Proposals with something changed: without an instrument, or with a limit moved; solved and certified again."""

from __future__ import annotations

from hedgeopt.constraints.constraint import BoxConstraint, Constraint
from hedgeopt.constraints.limit import Limit
from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.program.explain.case import Case, case_of, with_fields
from hedgeopt.program.explain.knobs import knob_named, with_knob
from hedgeopt.program.proposal import Proposal
from hedgeopt.program.solve import propose

__all__ = ["limited", "without"]


def without(proposal: Proposal, names: tuple[str, ...], book: Book | None, market: Market | None) -> Proposal:
    """The best proposal that does not trade these instruments: they are added to ``candidates.do_not_trade``."""
    case = case_of(proposal, book, market)
    known = [item.name for item in case.market.instruments.values()]
    if not names:
        raise InputError("names no instrument", field="without: names", fix="name one or more instruments")
    for name in names:
        if name not in known:
            raise InputError("is no instrument of the market", field="without: names", value=name, fix=advice(name, known))
    candidates = case.policy.candidates
    shut = tuple(dict.fromkeys((*candidates.do_not_trade, *names)))
    rules = candidates.model_validate({**candidates.model_dump(), "do_not_trade": shut})
    return again(case, with_fields(case.policy, candidates=rules))


def limited(proposal: Proposal, limit: object, value: float | None, book: Book | None, market: Market | None) -> Proposal:
    """The best proposal with one limit moved (``limit`` is its name in the table of limits) or put in place of its like."""
    case = case_of(proposal, book, market)
    if isinstance(limit, str):
        if value is None:
            raise InputError("is missing", field="with_limit: value", fix="give the limit's new number, in its unit")
        return again(case, with_knob(case.policy, knob_named(case.policy, limit), value))
    if not isinstance(limit, Constraint | BoxConstraint) or value is not None:
        raise InputError(
            "is not a limit", field="with_limit: limit", value=limit,
            fix="give a name and a number, or a limit such as ho.Gamma('BTC') >= -0.0005",
        )  # fmt: skip
    return again(case, with_fields(case.policy, subject_to=_replaced(case.policy, limit)))


def again(case: Case, policy: Policy) -> Proposal:
    """The case's proposal under another policy."""
    return propose(case.book, case.market, policy, customize=case.customize)


def _replaced(policy: Policy, limit: Constraint | BoxConstraint) -> list[object]:
    """The policy's limits with those of the same name replaced by one; at the end where there is none."""
    found: list[object] = []
    for rule in policy.subject_to:
        same = type(rule) is type(limit) and rule.name == limit.name
        if same and isinstance(rule, Limit) and isinstance(limit, Limit) and rule.term != limit.term:
            same = False
        if not same:
            found.append(rule)
        elif limit not in found:
            found.append(limit)
    return found if limit in found else [*found, limit]
