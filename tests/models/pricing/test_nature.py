"""What each family declares of itself, and that nobody asks for a family by name elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.pricing.families import FAMILIES, natures, quoted_kinds
from hedgeopt.models.pricing.instrument import Asset, Derivative, Instrument
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.pricing.transfer import Transfer

ROOT = Path(__file__).resolve().parents[3]
NAMES = {*FAMILIES, "transfer"}
PERPETUAL: dict[str, Any] = {
    "kind": "perpetual",
    "paid": "margined",
    "short": "margin",
    "payoff": "linear",
    "quote": "contract",
    "accrues": "funding",
    "settles": "nothing",
    "margin_class": "perpetual",
    "fee": "perpetual",
    "unit": "coin",
}


PACKAGED = {
    "spot", "perpetual", "future", "option", "amm_constant_product", "amm_concentrated", "lending_supply", "lending_borrow",
    "loop", "pegged", "option_vault",
}  # fmt: skip


def test_what_can_be_short_and_what_is_margined_as_the_venues_have_it():
    by = {kind: nature for kind, nature in natures().items() if kind in PACKAGED}  # a new family's own test says its own
    assert {k for k, n in by.items() if n.margined} == {"perpetual", "future"}
    assert {k for k, n in by.items() if n.derivative} == {"perpetual", "future", "option"}
    assert {k for k, n in by.items() if n.short == "margin"} == {"perpetual", "future", "option"}
    assert {k for k, n in by.items() if n.short == "lender"} == {"spot", "pegged"}
    assert {k for k, n in by.items() if n.paid == "owed"} == {"lending_borrow"}
    assert {k for k, n in by.items() if n.expires} == {"future", "option"}
    assert {k for k, n in by.items() if n.perpetual} == {"perpetual"}
    assert {k for k, n in by.items() if n.loan != "none"} == {"lending_supply", "lending_borrow"}
    assert set(quoted_kinds()) & PACKAGED == {"spot", "perpetual", "future", "option"}
    assert Transfer.nature.transfer
    assert not any(n.transfer for n in by.values())


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_familys_record_is_its_own_and_its_instruments_have_what_it_promises(kind):
    instrument = FAMILIES[kind].instrument
    assert instrument.nature.kind == kind
    for name in instrument.nature.needs:
        assert name in instrument.model_fields or hasattr(instrument, name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accrues": "fundings"}, "nothing, funding"),
        ({"paid": "owned"}, "take a perpetual to be margined"),
        ({"payoff": "curved"}, "take a perpetual to be linear"),
        ({"short": "lender"}, "short against margin"),
        ({"short": "never"}, "short against margin"),
        ({"fee": None}, "fee key"),
        ({"expires": True}, "what expires settles"),
        ({"settles": "payoff"}, "what expires settles"),
        ({"payoff": "option", "margin_class": "exotic"}, "margin_class option"),
        ({"quote": "dollars"}, "margined contracts"),
        ({"margin_class": "spot"}, "take a spot to be owned"),
    ],
)
def test_a_record_that_contradicts_itself_cannot_be_made(change, said):
    assert Nature(**PERPETUAL)
    with pytest.raises(InputError, match=said):
        Nature(**{**PERPETUAL, **change})


def test_a_family_without_a_record_or_without_what_it_promises_cannot_be_defined():
    with pytest.raises(InputError, match=r"needs a nature of kind 'swap'"):

        class Swap(Instrument):
            kind: Literal["swap"] = "swap"
            settlement: Asset

    with pytest.raises(InputError, match=r"needs a nature of kind 'cliquet'"):

        class Cliquet(Derivative):
            nature: ClassVar[Nature] = Nature(**PERPETUAL)
            kind: Literal["cliquet"] = "cliquet"

    dated = {**PERPETUAL, "kind": "dated", "margin_class": "dated", "expires": True, "settles": "last mark"}
    with pytest.raises(InputError, match="lacks expiry, years_from"):

        class Dated(Derivative):
            nature: ClassVar[Nature] = Nature(**dated)
            kind: Literal["dated"] = "dated"


def _constants(node: ast.expr) -> set[Any]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}


def _is_kind(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "kind") or (isinstance(node, ast.Name) and node.id == "kind")


def _asks(tree: ast.AST) -> Iterator[int]:
    """Lines that compare a kind with a family's name, or use it as a key that may be absent."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(_is_kind, sides)) and any(_constants(side) & NAMES for side in sides):
                yield node.lineno
        if isinstance(node, ast.Match) and _is_kind(node.subject):
            yield node.lineno
        key = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
            key = node.args[0]
        if isinstance(node, ast.Subscript):
            key = node.slice
        if isinstance(key, ast.JoinedStr) and any(isinstance(n, ast.Attribute) and n.attr == "kind" for n in ast.walk(key)):
            yield node.lineno
        isin = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "isin"
        if isin and any(_constants(a) & NAMES for a in node.args):
            yield node.lineno


@pytest.mark.parametrize(
    "text",
    [
        'item.kind == "option"',
        '"spot" != item.kind',
        'item.kind not in ("perpetual", "future")',
        '[kind == "option" for kind in kinds]',
        'rule.get(f"penalty_{item.kind}", {})',
        'rates[f"{item.kind}_taker"]',
        'np.isin(kinds, ["lending_supply"])',
    ],
)
def test_the_search_finds_such_questions(text):
    assert list(_asks(ast.parse(text)))


def test_nobody_outside_pricing_asks_for_a_family_by_name():
    found = []
    for folder in ("hedgeopt", "models", "constraints", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            where = path.relative_to(ROOT)
            if where.parts[:2] in (("models", "pricing"), ("hedgeopt", "models"), ("hedgeopt", "constraints")):
                continue
            found += [f"{where}:{line}" for line in _asks(ast.parse(path.read_text(encoding="utf-8")))]
    assert not found, "ask a field of nature instead (models/pricing/nature.py)"
