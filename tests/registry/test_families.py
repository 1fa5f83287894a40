"""Every family, asked for everything that the rest of the code may ask of one of its nature."""

from __future__ import annotations

import pytest

from hedgeopt.models.pricing.families import FAMILIES, natures
from hedgeopt.models.pricing.family import Family


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
