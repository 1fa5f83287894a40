"""The numbers of a policy that can be moved: each with its name in the table of limits, its unit, which way relaxes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from hedgeopt.constraints.limit import Limit
from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.inputs.policy import Policy
from hedgeopt.program.explain.case import with_fields

__all__ = ["Knob", "knob_named", "knobs_of", "with_knob"]

_FIELDS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "margin_utilisation": (("limit", "of equity", 1), ("buffer", "USD", -1)),
    "participation": (("share", "share", 1),),
    "order_limit": (("notional", "USD", 1), ("quantity", "units", 1)),
    "position_limit": (("notional", "USD", 1), ("quantity", "units", 1)),
    "survive_stress": (("utilisation", "of equity", 1), ("buffer", "USD", -1)),
    "transfer_limit": (("usd", "USD", 1),),
    "cash_at_least": (("amount", "units", -1),),
    "max_trades": (("most", "trades", 1),),
    "max_new_instruments": (("most", "instruments", 1),),
    "min_trade": (("usd", "USD", -1),),
}
"""Of constraints that are no limit on a term: field, unit, and whether raising (1) or lowering (-1) relaxes it."""
_CEILING = {("survive_stress", "utilisation"): 1.0, ("participation", "share"): 1.0}
ORDER = "candidates.max_order_notional"


@dataclass(frozen=True)
class Knob:
    """A number of a policy: ``subject_to[index].field`` (index -1: of ``candidates``), ``sign`` 1 where raising relaxes."""

    index: int
    field: str
    name: str
    value: float
    unit: str
    sign: int
    ceiling: float = float("inf")

    def relaxed(self, share: float) -> float:
        """The number relaxed by a share of its size; tightened where that is negative."""
        found = self.value + self.sign * share * abs(self.value)
        return min(found, self.ceiling) if self.sign > 0 else found

    @property
    def whole(self) -> bool:
        """Whether it counts."""
        return self.field == "most"


def knobs_of(policy: Policy) -> list[Knob]:
    """Every number of the policy's limits, and the order size that bounds every trade; names are unique."""
    found: list[Knob] = []
    for index, rule in enumerate(policy.subject_to):
        if isinstance(rule, Limit):
            both = rule.lower is not None and rule.upper is not None
            unit = "of equity" if rule.margin_utilisation() else rule.term.unit
            for field, sign in (("lower", -1), ("upper", 1)):
                value = getattr(rule, field)
                if value is not None:
                    found.append(Knob(index, field, f"{rule.name} {field}" if both else rule.name, value, unit, sign))
            continue
        fields = _FIELDS.get(rule.kind, ())
        for field, unit, sign in fields:
            value = getattr(rule, field)
            if value is None or (field == "buffer" and value == 0.0):
                continue
            name = rule.name if field == fields[0][0] or getattr(rule, fields[0][0]) is None else f"{rule.name} {field}"
            top = _CEILING.get((rule.kind, field), float("inf"))
            found.append(Knob(index, field, name, float(value), unit, sign, top))
    found.append(Knob(-1, "max_order_notional", ORDER, policy.candidates.max_order_notional, "USD", 1))
    count = Counter(knob.name for knob in found)
    twice = [replace(k, name=f"{k.name} {k.field}") if count[k.name] > 1 else k for k in found]
    count = Counter(knob.name for knob in twice)
    return [replace(k, name=f"{k.name} (limit {k.index + 1})") if count[k.name] > 1 else k for k in twice]


def with_knob(policy: Policy, knob: Knob, value: float) -> Policy:
    """The policy with one number moved."""
    number: Any = round(value) if knob.whole else float(value)
    if knob.index < 0:
        candidates = policy.candidates.model_validate({**policy.candidates.model_dump(), knob.field: number})
        return with_fields(policy, candidates=candidates)
    rules = list(policy.subject_to)
    rule = rules[knob.index]
    rules[knob.index] = type(rule).model_validate({**rule.model_dump(), knob.field: number})
    return with_fields(policy, subject_to=rules)


def knob_named(policy: Policy, name: str) -> Knob:
    """The number of that name, as the table of limits writes it; ``initial margin main`` means the limit of that margin.

    Raises
    ------
    InputError
        With the nearest name.
    """
    known = knobs_of(policy)
    for knob in known:
        if knob.name == name:
            return knob
    margins = [k for k in known if "margin" in k.name and k.field in ("limit", "upper")]
    alike = [k for k in known if k.index >= 0 and policy.subject_to[k.index].name == name]
    if len(alike) == 1:
        return alike[0]
    if alike:
        fix = f"name one of them: {', '.join(k.name for k in alike)}"
        raise InputError("is the name of several limits", field="limit", value=name, fix=fix)
    if name.startswith(("initial margin", "maintenance margin")):
        fitting = [k for k in margins if k.name.split(" ", 1)[0] == name.split(" ", 1)[0]]
        if len(fitting) == 1:
            return fitting[0]
    raise InputError("is no limit of the policy", field="limit", value=name, fix=advice(name, (k.name for k in known)))
