"""Every registered family answers everything that the code may ask of one; its record is checked beside its pricing
(tests/models/pricing/test_nature.py)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import hedgeopt as ho
from hedgeopt.models.costs import quotes
from hedgeopt.models.costs.quotes import fee_parameters
from hedgeopt.models.data import table
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


@pytest.mark.parametrize("kind", ["spot", "perpetual", "future", "option"])
def test_deribit_has_a_fee_of_what_it_trades(kind: str) -> None:
    """Of the package's own kinds: a new family is traded where its venue's table has its fee."""
    for parameter in fee_parameters(SimpleNamespace(nature=natures()[kind])):
        assert parameter.split(".")[1] in table("deribit")["fees"]


@pytest.mark.parametrize("kind", [kind for kind, nature in natures().items() if nature.quoted])
def test_a_fee_that_a_venue_lacks_is_one_line_with_file_and_key(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "table", lambda venue: {"fees": {"other_taker": 0.001}})
    item = SimpleNamespace(nature=natures()[kind], name="X", kind=kind, venue="nova", underlying="ETH")
    market = SimpleNamespace(price=lambda asset: 2_000.0)
    with pytest.raises(ho.InputError, match=rf"nova\.toml: {fee_parameters(item)[0]}: X \({kind}\) has no fee") as caught:
        quotes.unit_fee(item, market, 100.0, 1.0)
    assert "\n" not in str(caught.value)


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
