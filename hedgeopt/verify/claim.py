"""A stored proposal's claims as plain data, checked field by field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.reading import parse_json
from hedgeopt.verify.lots import in_lots

__all__ = ["Branch", "Claim", "ClaimedMultipliers", "ClaimedTail", "read_claim"]


@dataclass(frozen=True, eq=False)
class ClaimedTail:
    """Scenario weights of one CVaR term: the term's fields, scenario numbers and weights."""

    term: dict[str, Any]
    scenarios: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class ClaimedMultipliers:
    """Rows of limits with a shadow price, as in the table of limits, and scenario weights: another proof of a bound."""

    limits: list[dict[str, Any]]
    tails: tuple[ClaimedTail, ...]


@dataclass(frozen=True)
class Branch:
    """Pairs (account, asset): nothing leaves ``shut``, the rules of leaving hold for ``used``; and which multipliers."""

    shut: frozenset[tuple[str, str]]
    used: frozenset[tuple[str, str]]
    multipliers: tuple[int, ...]


@dataclass(frozen=True)
class Claim:
    """The parts of a proposal that can be wrong.

    Attributes
    ----------
    trades, transfers, limits, objective
        Tables as lists of rows.
    certificate, costs
        Numbers by name.
    policy
        The policy that it says it was made under.
    created
        Moment of the market, ISO.
    tails
        Scenario weights of CVaR terms.
    multipliers, branches
        More proofs, and choices of what leaves an account that together are all there are.
    before, after, margins
        Risk before and after trading, and margin of each account.
    notes
        Text for readers beside the numbers.
    added
        How many constraints were added by hand.
    trade_costs
        Cost of each trade by component; None in files before version 4.
    cash_ahead, margin_ahead
        Cash and margin by account and day; None in files before version 6.
    promise
        The tail after trading from several sides; None in files before version 7.
    """

    file: str
    trades: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    objective: list[dict[str, Any]]
    certificate: dict[str, Any]
    costs: dict[str, Any]
    policy: dict[str, Any]
    created: str
    tails: tuple[ClaimedTail, ...]
    multipliers: tuple[ClaimedMultipliers, ...]
    branches: tuple[Branch, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    margins: list[dict[str, Any]]
    notes: list[str]
    added: int
    trade_costs: list[dict[str, Any]] | None = None
    cash_ahead: list[dict[str, Any]] | None = None
    margin_ahead: list[dict[str, Any]] | None = None
    promise: dict[str, Any] | None = None

    def number(self, row: dict[str, Any], name: str, where: str) -> float:
        """A finite number of a row."""
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError("is no finite number", file=self.file, field=f"{where}.{name}", value=value)
        return float(value)


def read_claim(path: str | Path) -> Claim:
    """Read ``proposal.json``.

    Raises
    ------
    InputError
        For a file that is not JSON or not a proposal.
    """
    data = parse_json(path, "proposal")
    return claim_of(data, str(path))


def claim_of(data: Any, file: str = "proposal") -> Claim:
    """The claim in parsed JSON."""
    if not isinstance(data, dict):
        raise InputError("is not a proposal", file=file, fix="give the proposal.json that hedgeopt solve --out writes")
    proof = _table(data, "proof", file)
    added = proof.get("added_constraints")
    if isinstance(added, bool) or not isinstance(added, int) or added < 0:
        raise InputError("is no count", file=file, field="proof.added_constraints", value=added)
    multipliers = tuple(
        ClaimedMultipliers(_rows(row, "limits", file), _tails(row, file, f"proof.multipliers.{k}"))
        for k, row in enumerate(_rows(proof, "multipliers", file))
    )
    created = data.get("created")
    if not isinstance(created, str):
        raise InputError("is missing", file=file, field="created")
    policy, certificate = _of_lots(data, _table(data, "policy", file), _table(data, "certificate", file))
    return Claim(
        file=file,
        trades=_rows(data, "trades", file),
        transfers=_rows(data, "transfers", file),
        limits=_rows(data, "limits", file),
        objective=_rows(data, "objective", file),
        certificate=certificate,
        costs=_table(data, "costs", file),
        policy=policy,
        created=created,
        tails=_tails(proof, file, "proof"),
        multipliers=multipliers,
        branches=tuple(_branch(row, file, k, len(multipliers)) for k, row in enumerate(_rows(proof, "branches", file))),
        before=_table(data, "before", file),
        after=_table(data, "after", file),
        margins=_rows(data, "margins", file),
        notes=_notes(data, file, "notes"),
        added=added,
        trade_costs=_rows(data, "trade_costs", file) if "trade_costs" in data or data.get("schema", 1) >= 4 else None,
        cash_ahead=_rows(data, "cash_ahead", file) if data.get("schema", 1) >= 6 else None,
        margin_ahead=_rows(data, "margin_ahead", file) if data.get("schema", 1) >= 6 else None,
        promise=_table(data, "promise", file) if data.get("promise") is not None else None,
    )


def _of_lots(data: dict[str, Any], policy: dict[str, Any], certificate: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Policy and certificate with what they say of whole lots since version 5: before it silence meant any size."""
    version = data.get("schema", 1)
    if not isinstance(version, int) or version >= 5:
        return policy, certificate
    policy = {"lots": "ideal", **policy}
    if not in_lots(policy):
        return policy, {**certificate, "lot_gap": None}
    own = {"lot_gap": certificate.get("tolerance"), "tolerance": policy.get("tolerance")}
    return policy, {**certificate, **own}


def _notes(data: dict[str, Any], file: str, field: str) -> list[str]:
    found = data.get("notes")
    if not isinstance(found, list) or not all(isinstance(note, str) for note in found):
        raise InputError("is missing or no list of texts", file=file, field=field)
    return found


def _table(data: dict[str, Any], name: str, file: str) -> dict[str, Any]:
    found = data.get(name)
    if not isinstance(found, dict):
        fix = "solve again with this version" if name == "proof" else None
        raise InputError("is missing or no table", file=file, field=name, fix=fix)
    return found


def _rows(data: dict[str, Any], name: str, file: str) -> list[dict[str, Any]]:
    found = data.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError("is missing or no list of rows", file=file, field=name)
    return found


def _branch(row: dict[str, Any], file: str, k: int, count: int) -> Branch:
    where = f"proof.branches.{k}"
    nodes = []
    for name in ("shut", "used"):
        pairs = row.get(name)
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs
        ):
            raise InputError("is no list of pairs of account and asset", file=file, field=f"{where}.{name}")
        nodes.append(frozenset((pair[0], pair[1]) for pair in pairs))
    numbers = row.get("multipliers")
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < count for n in numbers):
        raise InputError("is no list of multipliers' numbers", file=file, field=f"{where}.multipliers", value=numbers)
    return Branch(nodes[0], nodes[1], tuple(numbers))


def _tails(table: dict[str, Any], file: str, where: str) -> tuple[ClaimedTail, ...]:
    return tuple(_tail(row, file, f"{where}.tails.{k}") for k, row in enumerate(_rows(table, "tails", file)))


def _tail(row: dict[str, Any], file: str, where: str) -> ClaimedTail:
    term, scenarios, weights = _table(row, "term", file), row.get("scenarios"), row.get("weights")
    if not isinstance(scenarios, list) or not isinstance(weights, list) or len(scenarios) != len(weights):
        raise InputError("needs as many weights as scenarios", file=file, field=where)
    if any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in scenarios) or len(set(scenarios)) < len(
        scenarios
    ):
        raise InputError("scenarios are whole numbers from 0, each once", file=file, field=where)
    if any(isinstance(w, bool) or not isinstance(w, int | float) or not math.isfinite(w) for w in weights):
        raise InputError("weights are finite numbers", file=file, field=where)
    return ClaimedTail(term, np.array(scenarios, np.int64), np.array(weights, float))
