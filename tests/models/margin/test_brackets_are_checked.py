"""Brackets, tiers and factors that ask for more maintenance than initial margin are refused at the table that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.margin.generic import Generic
from hedgeopt.venues.known import parser

HEAD = "as_of = 2026-10-01\nshelf_life_days = 90\n"
WRONG = {
    "[[2000000, 100, 0.05]]": r"asks for more maintenance \(0.05\) than initial margin \(1 / 100 = 0.01\)",
    "[[2000000, 100, 0.005], [1000000, 50, 0.01]]": "brackets are out of order",
    "[[1000000, 50, 0.01], [2000000, 100, 0.01]]": "brackets are out of order",
    "[[1000000, 50, 0.01], [2000000, 50, 0.005]]": "brackets are out of order",
    '[["2m", 100, 0.005]]': "is no bracket of three numbers",
    "[[2000000, nan, 0.005]]": "is out of range",
    "[[2000000, 100]]": "is no bracket of three numbers",
    "[[0, 100, 0.005]]": "is out of range",
    "[]": "must be a list of brackets",
}


@pytest.mark.parametrize("venue", ["bybit", "binance"])
@pytest.mark.parametrize("rows", list(WRONG))
def test_a_bracket_that_cannot_be_is_refused_at_the_table(
    venue: str, rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"{venue}.toml"
    path.write_text(f'extends = "{venue}"\n{HEAD}[margin.brackets]\nBTC = {rows}\n')
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    with pytest.raises(InputError, match=rf"{venue}.toml: margin.brackets.BTC: .*{WRONG[rows]}"):
        parser(venue)


def test_tiers_of_leverage_fall_with_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hyperliquid.toml"
    path.write_text(f'extends = "hyperliquid"\n{HEAD}[margin.tiers]\nBTC = [[0, 20], [1000000, 40]]\n')
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    with pytest.raises(InputError, match=r"hyperliquid.toml: margin.tiers.BTC: tiers are out of order"):
        parser("hyperliquid")


def test_a_grid_whose_maintenance_is_above_its_initial_margin_is_refused() -> None:
    grid = {
        "type": "grid",
        "moves": [-0.2, 0.2],
        "vols": [0.0],
        "power": 0.3,
        "futures_rate": 0.01,
        "short_option_rate": 0.02,
    }
    with pytest.raises(InputError, match=r"g.toml: \[margin\]: maintenance_factor 1.3 is above initial_factor 1"):
        Generic("g.toml", {"margin": {**grid, "initial_factor": 1.0, "maintenance_factor": 1.3}})


@pytest.mark.parametrize("settlement", ["USDX", "usdc", "BTC", "NOTACOIN 7"])
def test_a_settlement_that_no_instrument_can_have_is_refused_at_the_table(
    settlement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.toml"
    form = '[[names]]\nkind = "perpetual"\nform = "{base}-PERP"\n'
    path.write_text(f'{HEAD}{form}settlement = "{settlement}"\n[fees]\n')
    monkeypatch.setenv("HEDGEOPT_TABLES", str(path))
    with pytest.raises(InputError, match=rf"own.toml: names\[0\].settlement: is no dollar asset \(got '{settlement}'\)"):
        parser("own")
