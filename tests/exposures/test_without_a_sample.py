"""Reports of risk on a market without options: everything but the tail, and a word on why that is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.exposures.expose import expose

QUOTES = """timestamp,venue,instrument,kind,underlying,settlement,bid,ask,mark,index,funding_8h
2026-03-06T10:00:00Z,deribit,BTC-PERPETUAL,perpetual,BTC,BTC,92160,92170,92168.43,92150,0.00008
"""
BOOK = {
    "name": "perpetuals",
    "timestamp": "2026-03-06T10:00:00Z",
    "accounts": [
        {
            "name": "main",
            "venue": "deribit",
            "collateral": [{"asset": "BTC", "amount": 5.0}],
            "positions": [{"instrument": "BTC-PERPETUAL", "quantity": -200_000.0}],
        }
    ],
}


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    (tmp_path / "book.json").write_text(json.dumps(BOOK), encoding="utf-8")
    (tmp_path / "quotes.csv").write_text(QUOTES, encoding="utf-8")
    return ["--book", str(tmp_path / "book.json"), "--market", str(tmp_path / "quotes.csv")]


def test_risk_of_perpetuals_asks_for_no_vol(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["risk", *given, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "VaR and CVaR are not measured: no vol for BTC" in " ".join(told.replace("│", " ").split())
    assert "CVaR 99 %" not in told
    data = json.loads((tmp_path / "out" / "risk.json").read_text(encoding="utf-8"))
    assert data["risk"]["cvar"] == data["risk"]["value_at_risk"] == {}
    assert data["risk"]["expected_pnl"] is None
    assert data["risk"]["stress"]["2020-03-12"] < 0.0
    assert data["risk"]["carry"] == pytest.approx(200_000.0 * 0.00008 * 3.0, rel=1e-3)
    assert main(["margin", *given]) == 0


def test_a_tail_is_never_measured_where_nothing_moves(given: list[str]) -> None:
    """Without a sample a CVaR of 0 would be a promise; what rests on the tail stays refused."""
    book, market = ho.read_book(given[1]), ho.read_market(given[3])
    policy = ho.Policy(minimize=ho.TransactionCost(), lots="ideal")
    for sampled in (False, "if known"):
        report = ho.risk_report(expose(book, market, policy, trades=False, sampled=sampled))
        assert report.cvar == {}
        assert "CVaR" not in repr(report)
    for asked in (lambda: expose(book, market, policy, trades=False), lambda: ho.presets.tail(book, market)):
        with pytest.raises(ho.InputError, match=r"scenarios.vol.BTC: no vol for BTC.*vol = \{ BTC = 0.8 \}"):
            asked()
