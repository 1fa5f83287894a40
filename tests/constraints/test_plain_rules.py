"""The certificate asks the venues' plain rules: a program with a wrong encoding is solved, and its answer refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hedgeopt as ho
from hedgeopt.errors import CertificateError
from hedgeopt.exposures.expose import expose
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.margin import effects
from hedgeopt.models.margin.after import AccountAfter
from hedgeopt.models.margin.encoding import Encoding
from hedgeopt.models.margin.margins import Margins
from hedgeopt.models.margin.rules import MODELS, margin_model
from hedgeopt.program.certified import solve_program
from hedgeopt.program.program import Program

from .conftest import account, policy

pytestmark = pytest.mark.filterwarnings("ignore:The tail solver stopped")  # wrong encodings need not converge

TABLE = """
[margin]
type = "{type}"
[margin.initial]
"*" = [[0, 0.05], [100000, 0.1]]
[margin.maintenance]
"*" = [[0, 0.02], [500000, 0.1]]
"""
GRID = """
[margin]
type = "grid"
moves = [-0.2, -0.1, 0.0, 0.1, 0.2]
vols = [-0.3, 0.0, 0.4]
power = 0.3
futures_rate = 0.01
short_option_rate = 0.0
initial_factor = 1.3
maintenance_factor = 1.0
"""
CASES = {
    "deribit_standard": "deribit",
    "portfolio": "deribit",
    "portfolio:legacy": "deribit",
    "derive": "hyperliquid",
    "derive_standard": "hyperliquid",
    "hyperliquid": "hyperliquid",
    "hyperliquid:4": "hyperliquid",
    "binance": "binance",
    "binance:20": "binance",
    "binance_portfolio": "binance",
    "bybit_portfolio": "binance",
    "okx_portfolio": "binance",
    "dydx": "binance",
    "aave": "binance",
    "table:grid": "binance",
    "table:tiers": "binance",
}
"""Margin models and the venue whose perpetual the account holds; the models left out hold none, or need nothing for it."""


def test_every_model_of_the_registry_is_tried() -> None:
    # bybit: a table without tiers of perpetuals; paradex: wants funding rates, which this market lacks
    assert {name.partition(":")[0] for name in CASES} == set(MODELS) - {"none", "otc", "bybit", "paradex"}


BYBIT = """
extends = "bybit"
as_of = 2026-10-01
shelf_life_days = 90
[portfolio_margin.BTC]
futures = 0.008
initial_factor = 1.2
[portfolio_margin.ETH]
futures = 0.008
initial_factor = 1.2
"""


@pytest.fixture
def book_of(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ho.Book]:
    def build(name: str) -> ho.Book:
        venue, margin = CASES[name], name
        if name == "bybit_portfolio":
            (tmp_path / "bybit.toml").write_text(BYBIT, encoding="utf-8")
            monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
        if name.startswith("table:"):
            path = tmp_path / f"{name[6:]}.toml"
            path.write_text(GRID if name == "table:grid" else TABLE.format(type="tiers"), encoding="utf-8")
            margin = f"table:{path}"
        if name == "aave":
            coins = [{"asset": "ETH", "amount": 100.0}, {"asset": "USDC", "amount": -100_000.0}]
            first = account("tested", venue, margin=margin, coins=coins, tradable=False)
        else:
            size = 500_000.0 if venue == "deribit" else 6.0
            unit = "BTC-PERPETUAL" if venue == "deribit" else f"BTC-{venue}"
            first = account("tested", venue, 400_000.0, [(unit, size)], margin=margin)
        other = account("other", "hyperliquid", 1e5, [("ETH-hyperliquid", 1.0)])
        return ho.Book(name="two accounts", accounts=[first, other])

    return build


def _need(e: Exposures) -> float:
    return AccountAfter.of(e, 0, np.zeros(e.n_candidates)).need("initial")


def _limit(e: Exposures, share: float) -> ho.MarginUtilisation:
    """Asks the account for ``share`` of what its rule asks today."""
    after = AccountAfter.of(e, 0, np.zeros(e.n_candidates))
    return ho.MarginUtilisation(account="tested", limit=share * _need(e) / (after.equity - after.lost("initial")))


def _refused(book: ho.Book, market: ho.Market, limit: Any, spoil: Callable[[], None]) -> None:
    rules = policy(limit)
    e = expose(book, market, rules)
    spoil()
    with pytest.raises(CertificateError, match="by the venue's rule"):
        solve_program(Program(rules, e), e)


@pytest.mark.parametrize("name", list(CASES))
def test_half_an_encoding_is_refused(
    name: str, book_of: Callable[[str], ho.Book], venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(name)
    e = expose(book, venues_market, policy())
    assert _need(e) > 1_000.0
    kind = type(margin_model(book.accounts[0].margin, book.accounts[0].venue))
    whole = kind.encode

    def spoil() -> None:
        monkeypatch.setattr(kind, "encode", lambda self, *args: whole(self, *args).scaled(0.5))

    _refused(book, venues_market, _limit(e, 0.7), spoil)


@pytest.mark.parametrize("name", ["portfolio", "derive", "table:grid", "aave", "okx_portfolio"])
def test_an_encoding_without_its_blocks_is_refused(
    name: str, book_of: Callable[[str], ho.Book], venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(name)
    limit = _limit(expose(book, venues_market, policy()), 0.9)
    kind = type(margin_model(book.accounts[0].margin, book.accounts[0].venue))
    whole = kind.encode
    less = lambda self, *args: replace(whole(self, *args), blocks=())  # noqa: E731
    _refused(book, venues_market, limit, lambda: monkeypatch.setattr(kind, "encode", less))


def test_half_an_encoding_in_the_objective_is_refused(
    book_of: Callable[[str], ho.Book], venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = policy(minimize=ho.TransactionCost() + 2_000.0 * ho.Margin("binance", account="tested"))
    e = expose(book_of("binance:20"), venues_market, rules)
    assert solve_program(Program(rules, e), e).certificate.valid
    whole = Encoding.__call__
    kind = type(e.margins.models[0])
    encode = kind.encode
    for factor in (0.5, 2.0):
        e = expose(book_of("binance:20"), venues_market, rules)
        monkeypatch.setattr(kind, "encode", lambda self, *args, f=factor: encode(self, *args).scaled(f))
        with pytest.raises(CertificateError):
            solve_program(Program(rules, e), e)
    assert Encoding.__call__ is whole


def test_a_stress_seen_in_the_wrong_market_is_refused(
    book_of: Callable[[str], ho.Book], venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoding after a fall of 50 % made from today's state: a short's maintenance after a rise is what it misses."""
    book = book_of("hyperliquid:4")
    e = expose(book, venues_market, policy())
    k = int(np.argmax(e.stress_account_pnl[:, 0]))  # a rise, in which the long's notional and maintenance grow
    after = AccountAfter.of(e, 0, np.zeros(e.n_candidates), k)
    now = AccountAfter.of(e, 0, np.zeros(e.n_candidates))
    assert after.need("maintenance") > 1.01 * now.need("maintenance")
    between = 0.5 * (after.need("maintenance") + now.need("maintenance"))
    limit = ho.SurviveStress(scenarios=(e.stress[k],), account="tested", utilisation=between / after.equity)
    whole = Margins.encoding

    def now_instead(self: Margins, account: int, kind: Any, stress: int | None = None, **more: Any) -> Encoding:
        return whole(self, account, kind, None, **more)

    _refused(book, venues_market, limit, lambda: monkeypatch.setattr(Margins, "encoding", now_instead))


@pytest.fixture
def linked() -> ho.Book:
    """An account that needs 20,000 more, and one that may send it."""
    poor = account("poor", "hyperliquid", 30_000.0, [("BTC-hyperliquid", 4.0)], margin="hyperliquid:4")
    rich = account("rich", "binance", 200_000.0, [("ETH-binance", 1.0)])
    link = ho.Link(source="rich", target="poor", asset="USDC", cost_rate=1e-4)
    return ho.Book(name="linked", accounts=[poor, rich], links=(link,))


def test_collateral_that_arrives_twice_is_refused(
    linked: ho.Book, venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = ho.MarginUtilisation(account="poor")
    rules = policy(limit)
    e = expose(linked, venues_market, rules)
    right = solve_program(Program(rules, e), e)
    sent = right.trades[e.links.candidate]
    assert sent.sum() > 1_000.0
    whole = effects.equity_effect

    def twice(*args: Any) -> np.ndarray:
        found = whole(*args)
        return np.where(found > 0, 2.0 * found, found)

    _refused(
        linked, venues_market, limit, lambda: monkeypatch.setattr("hedgeopt.constraints.equity_covers.equity_effect", twice)
    )


def test_collateral_that_leaves_by_half_is_refused(
    linked: ho.Book, venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The balance believes that only half of what is sent leaves: more goes than the account has."""
    poor = linked.accounts[0]
    bigger = poor.model_copy(update={"positions": (ho.Position(instrument="BTC-hyperliquid", quantity=14.0),)})
    small = account("rich", "binance", 200_000.0)
    spare = account("spare", "hyperliquid", 300_000.0)
    book = ho.Book(name="linked", accounts=[bigger, small, spare], links=linked.links)
    limit = ho.MarginUtilisation(account="poor")
    rules = policy(limit)
    e = expose(book, venues_market, rules)
    balance = "hedgeopt.constraints.collateral_balance"
    whole = effects.collateral_effect
    box = replace(e, upper=np.where(np.isin(np.arange(e.n_candidates), e.links.candidate), 1e6, e.upper))
    monkeypatch.setattr(f"{balance}.collateral_effect", lambda *args: 0.4 * whole(*args))
    monkeypatch.setattr(
        f"{balance}.Withdrawals.bind",
        lambda self, trades, e, term, *, slack=False: ho.TransferLimit(usd=1e9).bind(trades, e, term, slack=slack),
    )
    with pytest.raises(CertificateError, match=r"rich .by the venue's rule"):
        solve_program(Program(rules, box), box)


def test_costs_that_do_not_reduce_equity_are_refused(
    linked: ho.Book, venues_market: ho.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = lambda e, account: (np.zeros(e.n_candidates), np.zeros(e.n_candidates))  # noqa: E731
    limit = ho.MarginUtilisation(account="poor")
    spoil = lambda: monkeypatch.setattr("hedgeopt.constraints.equity_covers.account_cost", free)  # noqa: E731
    _refused(linked.model_copy(update={"links": ()}), venues_market, limit, spoil)


def test_rounding_is_no_debt(linked: ho.Book, venues_market: ho.Market) -> None:
    """Everything sent away leaves exactly nothing, also where amounts do not add up in binary."""
    e = expose(linked, venues_market, policy())
    x = np.zeros(e.n_candidates)
    (i,) = e.links.candidate.tolist()
    start = 0.1 + 0.2
    e = replace(e, collateral=np.where(e.collateral > 1e5, start, e.collateral))
    x[i] = 0.3
    rich = e.accounts.index("rich")
    assert (AccountAfter.of(e, rich, x).collateral == 0.0).all()
    x[i] = 0.31
    assert AccountAfter.of(e, rich, x).collateral.min() == pytest.approx(-0.01)
