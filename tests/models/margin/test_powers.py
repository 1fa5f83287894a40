"""Curved contracts of one class with exponents of their own: a grid moves each by the power that it declares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.resolve import resolve
from hedgeopt.inputs.candidates import Candidates
from hedgeopt.models.data import _table
from hedgeopt.models.margin.rules import _made
from hedgeopt.models.pricing.families import FAMILIES
from hedgeopt.models.pricing.family import Family, UnitRisk, greek
from hedgeopt.models.pricing.instrument import Derivative, Positive
from hedgeopt.models.pricing.nature import Nature
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved

INDEX = 2_000.0
MARKS = {"ETH-CUBE": 8.0, "ETH-ROOT": 40.0, "ETH-PERP": INDEX}
POWERS = {"ETH-CUBE": 3.0, "ETH-ROOT": 0.5, "ETH-PERP": 1.0}
NATURE = Nature(
    "curve", "margined", "margin", "curved", "contract", "nothing", "nothing", "curve", "perpetual", "contract", inverse=True
)
TABLE = """
as_of = 2026-03-01
shelf_life_days = 365
[fees]
perpetual_taker = 0.0005
[[names]]
kind = "curve"
form = "{base}-CUBE"
settlement = "USDC"
fields = { power = 3.0 }
[[names]]
kind = "curve"
form = "{base}-ROOT"
settlement = "{base}"
fields = { power = 0.5 }
[[names]]
kind = "perpetual"
form = "{base}-PERP"
settlement = "USDC"
[margin]
type = "grid"
moves = [-0.2, 0.0, 0.2]
vols = [0.0]
power = 0.3
futures_rate = 0.01
short_option_rate = 0.0
initial_factor = 1.3
maintenance_factor = 1.0
[margin.instrument.curve]
[haircut]
USDC = 0.0
ETH = 0.0
"""


class Curve(Derivative):
    """A contract on a power of the index."""

    nature: ClassVar[Nature] = NATURE
    kind: Literal["curve"] = "curve"
    power: Positive


class Bare(Derivative):
    """The same without its power."""

    nature: ClassVar[Nature] = NATURE
    kind: Literal["curve"] = "curve"


class CurveFamily(Family):
    kind = "curve"
    instrument: Any = Curve

    def unit_risk(self, instruments: Sequence[Any], market: Any, assets: tuple[str, ...]) -> UnitRisk:
        risk = UnitRisk.zeros(len(instruments), len(assets))
        for i, item in enumerate(instruments):
            mark, p = market.quoted("mark_price", [item.id])[0], getattr(item, "power", 2.0)
            risk.notional[i] = mark
            risk.greeks[greek("delta"), i, assets.index("ETH")] = p * mark / INDEX
        return risk

    def scenario_pnl(self, instruments: Sequence[Any], market: Any, scenarios: ScenarioSet, out: np.ndarray) -> None:
        for i, item in enumerate(instruments):
            mark, p = market.quoted("mark_price", [item.id])[0], getattr(item, "power", 2.0)
            out[:, i] = mark * (scenarios.price_factor("ETH") ** p - 1.0)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(FAMILIES, "curve", CurveFamily())
    (tmp_path / "venues").mkdir()
    (tmp_path / "venues" / "curves.toml").write_text(TABLE, encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path / "venues"))
    return tmp_path / "venues" / "curves.toml"


def world(folder: Path, margin: str = "standard", **quantity: float) -> tuple[ho.Book, ho.Market]:
    rows = [
        {"timestamp": pd.Timestamp(datetime(2026, 3, 2, 8, tzinfo=UTC)), "currency": "ETH", "index_price": INDEX,
         "instrument_name": name, "mark_price": m, "bid_price": m * 0.999, "ask_price": m * 1.001, "funding_8h": 0.0,
         "option_type": None, "strike": np.nan, "expiry": None, "mark_iv": np.nan, "underlying_price": np.nan}
        for name, m in MARKS.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "chain.csv", index=False)
    held = tuple(ho.Position(instrument=f"ETH-{name}", quantity=amount) for name, amount in quantity.items())
    posted = (ho.Collateral(asset="USDC", amount=100_000.0),)
    account = ho.Account(name="main", venue="curves", collateral=posted, positions=held, margin=margin)
    return ho.Book(accounts=(account,)), ho.read_market(folder / "chain.csv", venue="curves")


def rewrite(path: Path, text: str) -> None:
    """Tables are read once per process."""
    path.write_text(text, encoding="utf-8")
    _table.cache_clear()
    _made.cache_clear()


def exposed(folder: Path, stress: float = 1.0, margin: str = "standard", **quantity: float) -> Any:
    book, market = world(folder, margin, **quantity)
    moved = ScenarioSet("s", ("ETH",), np.array([[stress]]), np.zeros((1, 1)), 1.0, labels=("s",))
    return ho.build_exposures(resolve(book, market), (), unmoved(("ETH",)), moved, trades=False)


def needed(e: Any, stress: int | None = None) -> Any:
    return e.margins.requirement(0, e.rows.quantity, e.collateral[0], stress)


def test_the_cube_by_hand(table: Path, tmp_path: Path) -> None:
    """Short 1,000 at 8: 8,000 (1.2^3 - 1) = 5,824 and 1 % of 8,000; the numbers of docs/extend.md."""
    need = needed(exposed(tmp_path, CUBE=-1_000.0))
    assert need.maintenance == pytest.approx(5_904.0)
    assert need.initial == pytest.approx(7_675.20)


@pytest.mark.parametrize("stress", [1.0, 1.5, 0.6])
def test_a_grid_moves_each_by_its_own_power_now_and_under_stress(table: Path, tmp_path: Path, stress: float) -> None:
    held = {"ETH-CUBE": -1_000.0, "ETH-ROOT": 300.0, "ETH-PERP": 2.0}
    e = exposed(tmp_path, stress, CUBE=-1_000.0, ROOT=300.0, PERP=2.0)
    usd = {name: amount * MARKS[name] * stress ** POWERS[name] for name, amount in held.items()}
    losses = [-sum(n * ((1 + m) ** POWERS[name] - 1) for name, n in usd.items()) for m in (-0.2, 0.0, 0.2)]
    hand = max(losses) + 0.01 * sum(map(abs, usd.values()))
    assert needed(e, 0).maintenance == pytest.approx(hand)
    for kind in ("initial", "maintenance"):
        encoding = e.margins.encoding(0, kind, 0)
        z = e.rows.quantity
        assert encoding.at(z)(z, e.collateral[0]) == pytest.approx(needed(e, 0).of(kind))


def test_a_solve_asks_for_the_right_margin(table: Path, tmp_path: Path) -> None:
    """The certificate is that of the plain rule, and the trades leave what it asks for within half of the equity."""
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.MarginUtilisation(limit=0.5), ho.Delta("ETH").within(-30.0, -0.001)],
        candidates=Candidates(kinds=("curve",)),
        scenarios=ho.ParametricScenarios(count=50, vol={"ETH": 0.7}),
        lots="ideal",
    )
    book, market = world(tmp_path, CUBE=-1_000.0)
    proposal = ho.propose(book, market, policy)
    assert proposal.certificate.valid
    z = {"ETH-CUBE": -1_000.0} | {
        row["instrument"]: row["quantity"] + (-1_000.0 if row["instrument"] == "ETH-CUBE" else 0.0)
        for row in proposal.trades.to_dict("records")
    }
    usd = {name: amount * MARKS[name] for name, amount in z.items()}
    losses = [-sum(n * ((1 + m) ** POWERS[name] - 1) for name, n in usd.items()) for m in (-0.2, 0.0, 0.2)]
    hand = 1.3 * (max(losses) + 0.01 * sum(map(abs, usd.values())))
    assert needed(exposed(tmp_path, **{name[4:]: n for name, n in z.items()})).initial == pytest.approx(hand)


def test_a_table_of_another_power_is_refused_with_both_numbers(table: Path, tmp_path: Path) -> None:
    rewrite(table, TABLE.replace("[margin.instrument.curve]", "[margin.instrument.curve]\npower = 2.0"))
    e = exposed(tmp_path, CUBE=-1.0)
    for ask in (lambda: needed(e), lambda: e.margins.encoding(0, "initial")):
        with pytest.raises(ho.InputError, match=r"curve\.power.*ETH-CUBE.*power 3.*table says 2") as caught:
            ask()
        assert str(table) in str(caught.value)
        assert "\n" not in str(caught.value)
    rewrite(table, TABLE.replace("[margin.instrument.curve]", "[margin.instrument.curve]\npower = 3"))
    assert needed(exposed(tmp_path, CUBE=-1_000.0)).maintenance == pytest.approx(5_904.0)


def test_a_curve_without_a_power_is_refused_by_a_grid_and_taken_by_tiers(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CurveFamily, "instrument", Bare)
    bare = TABLE.replace("fields = { power = 3.0 }", "").replace("fields = { power = 0.5 }", "")
    for text in ("", "power = 3.0"):
        rewrite(table, bare.replace("[margin.instrument.curve]", f"[margin.instrument.curve]\n{text}"))
        with pytest.raises(ho.InputError, match=r"ETH-CUBE \(curve\) declares no power"):
            needed(exposed(tmp_path, CUBE=-1.0))
    tiers = tmp_path / "tiers.toml"
    tiers.write_text(
        '[margin]\ntype = "tiers"\ninitial = { "*" = [[0, 0.1]] }\nmaintenance = { "*" = [[0, 0.05]] }\n'
        "[margin.instrument.curve]\ninitial = { ETH = [[0, 0.3]] }\nmaintenance = { ETH = [[0, 0.2]] }\n"
    )
    need = needed(exposed(tmp_path, margin=f"table:{tiers}", CUBE=-1_000.0))
    assert need.maintenance == pytest.approx(0.2 * 8_000.0)
