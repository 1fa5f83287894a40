"""Every registered family answers everything that the code may ask of one; its record is checked beside its pricing
(tests/models/pricing/test_nature.py)."""

from __future__ import annotations

import pytest

from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.models.pricing.families import FAMILIES, INSTRUMENT, natures
from hedgeopt.models.pricing.family import Family


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_family_is_documented_keyed_and_has_what_its_nature_promises(kind: str) -> None:
    family = FAMILIES[kind]
    assert family.kind == kind == family.instrument.nature.kind == family.instrument.model_fields["kind"].default
    assert (family.instrument.__doc__ or "").strip()
    assert all(hasattr(family.instrument, n) or n in family.instrument.model_fields for n in family.instrument.nature.needs)
    assert callable(family.unit_risk)
    assert callable(family.scenario_pnl)
    assert kind in str(INSTRUMENT.json_schema())


@pytest.mark.parametrize("kind", [kind for kind, nature in natures().items() if nature.derivative])
def test_a_derivative_may_be_short_wherever_anything_is_lent(kind: str) -> None:
    for name in MODELS:
        if name != "table":
            rule = margin_model(name, "deribit")
            assert rule.may_be_short(natures()[kind]) == rule.lends


@pytest.mark.parametrize("kind", [kind for kind, nature in natures().items() if nature.quoted])
def test_every_quoted_family_has_a_fee_where_it_may_be_margined(kind: str) -> None:
    from hedgeopt.models.costs.quotes import fee_parameters
    from hedgeopt.models.data import table

    item = type("Item", (), {"nature": natures()[kind]})()
    for parameter in fee_parameters(item):
        assert parameter.split(".")[1] in table("deribit")["fees"]


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_every_family_says_what_its_nature_asks_of_it(kind: str) -> None:
    """Hooks that the backtest calls for such a nature are its own where the default would refuse."""
    family, nature = FAMILIES[kind], natures()[kind]
    assert isinstance(family, Family)
    asked = {
        "unit_risk": True,
        "scenario_pnl": True,
        "payoff": nature.settles == "payoff",
        "grown": nature.accrues in ("deposit interest", "loan interest"),
        "mark_at": nature.settles == "last mark" and nature.payoff != "linear",
    }
    for hook, needed in asked.items():
        assert not needed or getattr(type(family), hook) is not getattr(Family, hook), hook
    if nature.margined:
        item = type("Item", (), {"nature": nature, "inverse": False, "kind": kind, "name": kind})()
        assert family.variation(item, 100.0, 110.0, 1.0) == pytest.approx(10.0)
        assert family.size(item, 100.0, 1.0) == pytest.approx(100.0)
