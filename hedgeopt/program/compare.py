"""Two proposals side by side: trades, numbers, and what explains the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hedgeopt.errors import HedgeoptError, InputError
from hedgeopt.files.calls import strict_call, strict_class
from hedgeopt.files.counted import many
from hedgeopt.files.notebook import plain_number
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.program.explain.case import Case, case_of
from hedgeopt.program.explain.what_if import again
from hedgeopt.program.proposal import Proposal

__all__ = ["Comparison", "compare_proposals"]


@strict_class
@dataclass(frozen=True, eq=False)
class Comparison:
    """Two proposals.

    Attributes
    ----------
    trades : DataFrame
        account, instrument, unit; ``a`` and ``b``: signed quantities; ``difference``.
    numbers : DataFrame
        measure, unit, a, b, difference: objective by term, costs, tail, stress, equity, margin.
    limits : DataFrame
        limit, unit, after and bound of both.
    differs
        Which inputs differ, one line each.
    explained : DataFrame
        step, from, to, objective, effect: the differences of the policies, one after another from A's to B's, each solved
        again; the effects add up to the difference of the two. Empty where book or market differ, or are not at hand.
    note
        Why ``explained`` is empty, where it is.
    """

    trades: pd.DataFrame
    numbers: pd.DataFrame
    limits: pd.DataFrame = field(repr=False)
    differs: tuple[str, ...] = ()
    explained: pd.DataFrame = field(default_factory=pd.DataFrame)
    note: str = ""
    unit: str = "USD"

    def summary(self) -> list[str]:
        """At most ten lines."""
        changed = self.trades[self.trades["difference"] != 0.0]
        objective = self.numbers.iloc[0]
        lines = [
            f"objective {plain_number(objective['a'])} in A, {plain_number(objective['b'])} in B "
            f"({plain_number(objective['difference'])})",
            f"{many(len(changed), 'trade')} of {len(self.trades)} differ"
            + (f", most of all {self._largest(changed)}" if len(changed) else ""),
            *(self.differs or ("book, market and policy are the same",))[:4],
        ]
        if self.explained.empty and self.note:
            lines.append(self.note)
        steps = self.explained.sort_values("effect", key=abs, ascending=False) if len(self.explained) else self.explained
        for row in steps.head(10 - len(lines)).to_dict("records"):
            lines.append(f"{row['step']}: {row['from']} → {row['to']} changes it by {plain_number(row['effect'])}")
        return lines[:10]

    def _largest(self, changed: pd.DataFrame) -> str:
        row = changed.loc[changed["usd"].abs().idxmax()]
        return f"{row['instrument']} ({plain_number(row['a'])} → {plain_number(row['b'])})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "summary": self.summary(),
            "trades": self.trades.to_dict("records"),
            "numbers": self.numbers.to_dict("records"),
            "limits": self.limits.to_dict("records"),
            "differs": list(self.differs),
            "explained": self.explained.to_dict("records"),
            "note": self.note,
        }

    def __repr__(self) -> str:
        changed = int((self.trades["difference"] != 0.0).sum())
        return f"Comparison({many(changed, 'trade')} differ, objective {plain_number(self.numbers['difference'].iloc[0])})"


@strict_call
def compare_proposals(a: Proposal, b: Proposal, *, book: Book | None = None, market: Market | None = None) -> Comparison:
    """Compare two proposals; ``book`` and ``market`` (those of both) explain the difference by the policies of stored ones.

    Raises
    ------
    InputError
        For proposals that count in different assets, and for inputs that are not theirs.
    """
    if a.unit != b.unit:
        raise InputError(f"counts in {b.unit}, and the other in {a.unit}", field="compare_proposals: b", value=b.unit,
                         fix="compare proposals of one numeraire")  # fmt: skip
    differs = tuple(_differs(a, b))
    explained, note = _explained(a, b, book, market)
    return Comparison(_trades(a, b), _numbers(a, b), _limits(a, b), differs, explained, note, a.unit)


def _trades(a: Proposal, b: Proposal) -> pd.DataFrame:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for word, proposal in (("a", a), ("b", b)):
        for row in proposal.trades.to_dict("records"):
            key = (str(row["account"]), str(row["instrument"]))
            mine = found.setdefault(key, {"unit": row["unit"], "a": 0.0, "b": 0.0, "usd": 0.0})
            sign = 1.0 if row["side"] == "buy" else -1.0
            mine[word] += sign * row["quantity"]
            mine["usd"] += sign * row["notional"] * (1.0 if word == "b" else -1.0)
    rows = [{"account": k[0], "instrument": k[1], **v, "difference": v["b"] - v["a"]} for k, v in found.items()]
    columns = ["account", "instrument", "unit", "a", "b", "difference", "usd"]
    return pd.DataFrame(rows, columns=columns).sort_values("usd", key=abs, ascending=False, ignore_index=True)


def _numbers(a: Proposal, b: Proposal) -> pd.DataFrame:
    rows: list[tuple[str, str, float, float]] = []
    rows.append(("objective", "weighted", a.certificate.objective, b.certificate.objective))
    terms = [dict(zip(p.objective["term"], p.objective.to_dict("records"), strict=True)) for p in (a, b)]
    for name in dict.fromkeys((*terms[0], *terms[1])):
        one, two = (t.get(name) for t in terms)
        unit = str((one or two or {})["unit"])
        rows.append((name, unit, *(float("nan") if t is None else float(t["after"]) for t in (one, two))))
    unit = a.unit
    for name in ("transaction", "fees", "half_spread", "carry"):
        rows.append((f"cost: {name}", unit, a.costs.get(name, float("nan")), b.costs.get(name, float("nan"))))
    for level in a.after.cvar:
        rows.append((f"CVaR {level} after", unit, a.after.cvar[level], b.after.cvar.get(level, float("nan"))))
    rows.append(("equity after", unit, a.after.equity, b.after.equity))
    for name, pnl in a.after.stress.items():
        if name in b.after.stress:
            rows.append((f"stress {name}", unit, pnl, b.after.stress[name]))
    others = {one.name: one for one in b.after.accounts}
    for one in a.after.accounts:
        if one.name in others:
            rows.append((f"margin used {one.name}", "of equity", one.utilisation, others[one.name].utilisation))
    frame = pd.DataFrame(rows, columns=["measure", "unit", "a", "b"])
    return frame.assign(difference=frame["b"] - frame["a"])


def _limits(a: Proposal, b: Proposal) -> pd.DataFrame:
    kept = ["limit", "unit", "sense", "after", "bound", "binding"]
    both = a.limits[kept].merge(b.limits[kept], on=["limit", "unit", "sense"], how="outer", suffixes=("_a", "_b"))
    return both.reset_index(drop=True)


def _differs(a: Proposal, b: Proposal) -> Iterator[str]:
    one, two = a.inputs or {}, b.inputs or {}
    if one.get("market") != two.get("market"):
        yield f"the markets differ: {a.created:%Y-%m-%d %H:%M:%S} and {b.created:%Y-%m-%d %H:%M:%S} UTC"
    if one.get("book") != two.get("book"):
        names = f"both are named {a.book!r}" if a.book == b.book else f"{a.book!r} and {b.book!r}"
        yield f"the books differ: {names}, equity {plain_number(a.before.equity)} and {plain_number(b.before.equity)}"
    if a.policy != b.policy:
        names_of = [name for name, *_ in _steps(a.policy, b.policy)]
        more = f" and {len(names_of) - 8} more" if len(names_of) > 8 else ""
        yield f"the policies differ in {', '.join(names_of[:8])}{more}"
    hand = a.proof.get("added_constraints", 0), b.proof.get("added_constraints", 0)
    if any(hand):
        yield f"constraints were added by hand: {hand[0]} in A, {hand[1]} in B, which no file tells of"
    sent = (a.transfers.to_dict("records"), b.transfers.to_dict("records"))
    if sent[0] != sent[1]:
        yield f"the transfers differ: {len(sent[0])} in A, {len(sent[1])} in B"
    if (a.versions or {}).get("hedgeopt") != (b.versions or {}).get("hedgeopt"):
        yield "they were computed by different versions of hedgeopt"


def _steps(a: dict[str, Any], b: dict[str, Any]) -> Iterator[tuple[str, Any, Any, tuple[Any, ...]]]:
    """Differences of two policies: name, from, to, and where: a field, a field of a field, or one of the limits."""
    for key in dict.fromkeys((*a, *b)):
        one, two = a.get(key), b.get(key)
        if one == two or key == "subject_to":
            continue
        if isinstance(one, dict) and isinstance(two, dict) and one.get("kind") == two.get("kind"):
            for inner in dict.fromkeys((*one, *two)):
                if one.get(inner) != two.get(inner):
                    yield f"{key}.{inner}", one.get(inner), two.get(inner), (key, inner)
        else:
            yield key, one, two, (key,)
    mine, theirs = list(a.get("subject_to", [])), list(b.get("subject_to", []))
    left = [rule for rule in theirs if rule not in mine]
    for rule in mine:
        if rule in theirs:
            continue
        like = next((other for other in left if _same(rule, other)), None)
        if like is not None:
            left.remove(like)
        yield f"limit {_name(rule)}", _bounds(rule), "none" if like is None else _bounds(like), ("subject_to", rule, like)
    for other in left:
        yield f"limit {_name(other)}", "none", _bounds(other), ("subject_to", None, other)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["kind"] == other["kind"] and all(
        one.get(k) == other.get(k) for k in ("term", "only", "account", "venue", "of")
    )


def _name(rule: dict[str, Any]) -> str:
    from hedgeopt.inputs.policy import Policy
    from hedgeopt.models.costs.transaction import TransactionCost

    return str(Policy(TransactionCost(), [rule]).subject_to[0].name)


def _bounds(rule: dict[str, Any]) -> str:
    told = {k: v for k, v in rule.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return ", ".join(f"{k} {v:g}" for k, v in told.items()) or rule["kind"]


def _explained(a: Proposal, b: Proposal, book: Book | None, market: Market | None) -> tuple[pd.DataFrame, str]:
    """From A's policy to B's one difference at a time; the last step is B's own list."""
    columns = ["step", "from", "to", "objective", "effect"]
    nothing = pd.DataFrame(columns=columns)
    same = all((a.inputs or {}).get(k) == (b.inputs or {}).get(k) for k in ("book", "market"))
    if not same:
        return nothing, "book or market differ: solve both policies on one of them to see what the policies explain"
    if a.policy == b.policy:
        return nothing, ""
    try:
        case = case_of(a, book, market)
    except InputError:
        if book is not None or market is not None:
            raise
        return nothing, "give book and market (--book, --market) to see what each difference of the policies explains"
    steps = list(_steps(a.policy, b.policy))
    rows, before, data = [], a.certificate.objective, dict(a.policy)
    told: list[str] = []
    for number, (name, one, two, where) in enumerate(steps):
        data, told = _stepped(data, where, b.policy), [*told, name]
        last = number == len(steps) - 1
        if last:
            after = b.certificate.objective
        else:
            found = _objective(case, data)
            if found is None:  # not to be met on its own: told together with the next
                continue
            after = found
        rows.append({"step": " and ".join(told), "from": str(one), "to": str(two), "objective": after,
                     "effect": after - before})  # fmt: skip
        before, told = after, []
    return pd.DataFrame(rows, columns=columns), ""


def _stepped(data: dict[str, Any], where: tuple[Any, ...], target: dict[str, Any]) -> dict[str, Any]:
    """The policy with one difference taken over from the target."""
    if where[0] == "subject_to":
        _, old, new = where
        rules = [new if rule == old else rule for rule in data["subject_to"]]
        rules = [rule for rule in rules if rule is not None]
        return {**data, "subject_to": rules if old is not None else [*rules, new]}
    key, *inner = where
    value: Any = {**data[key], inner[0]: target[key].get(inner[0])} if inner else target.get(key)
    if inner and inner[0] not in target[key]:
        del value[inner[0]]
    found = {**data, key: value}
    if key not in target:
        del found[key]
    return found


def _objective(case: Case, data: dict[str, Any]) -> float | None:
    try:
        return again(case, Policy(**data)).certificate.objective
    except HedgeoptError:
        return None
