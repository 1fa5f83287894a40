"""Terms, constraints and families that users define, outside the package: solved, kept, reported, and not claimed."""

from __future__ import annotations

import io
import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from pydantic import Field

import hedgeopt as ho
from hedgeopt.models.pricing.families import FAMILIES, OWN_INSTRUMENTS
from hedgeopt.verify import verify


class _BoundOptionValue(ho.LinearTerm):
    def _per_unit(self, e: ho.Exposures) -> np.ndarray:
        return np.where([item.nature.option for item in e.rows.instruments], e.rows.value, 0.0)

    def coefficients(self, e: ho.Exposures) -> np.ndarray:
        return self._per_unit(e)[e.candidate]

    def constant(self, e: ho.Exposures) -> float:
        return float(self._per_unit(e) @ e.rows.quantity)

    def constant_size(self, e: ho.Exposures) -> float:
        return float(np.abs(self._per_unit(e)) @ np.abs(e.rows.quantity))


class OptionWorth(ho.Term):
    """USD that the options are worth after trading."""

    unit: ClassVar[str] = "USD"
    affine: ClassVar[bool] = True
    kind: Literal["option_worth"] = "option_worth"

    @property
    def name(self) -> str:
        return "option worth"

    def bind(self, trades: ho.TradeVariables, e: ho.Exposures) -> Any:
        return _BoundOptionValue(trades, e)


class _BoundTurnover(ho.BoundTerm):
    """``sum |x| notional``, with switches to lie by."""

    def __init__(self, trades: ho.TradeVariables, e: ho.Exposures, lie: str) -> None:
        self.lie = lie
        self._usd = cp.Parameter(e.n_candidates, nonneg=True)
        self.expression = self._usd @ (trades.buy + trades.sell)
        if lie == "concave":
            self.expression = cp.sqrt(1.0 + self.expression)
        if lie == "vector":
            self.expression = cp.multiply(self._usd, trades.buy)
        if lie == "not dpp":
            self.expression = (self._usd @ self._usd) * cp.sum(trades.buy + trades.sell)

    def _of(self, e: ho.Exposures) -> np.ndarray:
        return e.rows.notional[e.candidate]

    def update(self, e: ho.Exposures, scale: np.ndarray) -> None:
        self._usd.value = self._of(e) * scale

    def evaluate(self, e: ho.Exposures, x: np.ndarray) -> float:
        return float(self._of(e) @ np.abs(x)) * (0.5 if self.lie == "value" else 1.0)

    def size(self, e: ho.Exposures, x: np.ndarray) -> float:
        return self.evaluate(e, x) * (0.1 if self.lie == "size" else 1.0)

    def minorant(self, e: ho.Exposures, x: np.ndarray, tails: Mapping[int, np.ndarray]) -> ho.Separable:
        return ho.Separable(self._of(e) * np.sign(x), 1e9 if self.lie == "minorant" else 0.0)


class Turnover(ho.Term):
    """USD of underlying traded, both ways."""

    unit: ClassVar[str] = "USD"
    kind: Literal["turnover"] = "turnover"
    lie: str = ""

    @property
    def name(self) -> str:
        return "turnover"

    def bind(self, trades: ho.TradeVariables, e: ho.Exposures) -> Any:
        return 3 if self.lie == "no form" else _BoundTurnover(trades, e, self.lie)


class PremiumSpent(ho.LinearConstraint):
    """Value of options bought less that of options sold."""

    kind: Literal["premium_spent"] = "premium_spent"
    usd: float = Field(ge=0)

    @property
    def name(self) -> str:
        return "premium spent"

    def rows(self, e: ho.Exposures) -> list[ho.Row]:
        return [ho.Row(self.name, "USD", e.rows.value[e.candidate], self.usd)]


@pytest.fixture(scope="module")
def inputs() -> tuple[ho.Book, ho.Market]:
    files = ho.example_files()
    return ho.read_book(io.StringIO(files["book.json"])), ho.read_market(io.StringIO(files["market.csv"]))


def policy(minimize: Any = None, *more: Any) -> ho.Policy:
    return ho.Policy(
        minimize if minimize is not None else ho.TransactionCost(),
        [ho.Delta("BTC").within(-5, 5), ho.Vega("BTC") >= -5_000, *more],
        scenarios=ho.ParametricScenarios(count=300, seed=1),
        lots="ideal",
    )


def test_own_classes_solve_and_are_kept(inputs: tuple[ho.Book, ho.Market]) -> None:
    book, market = inputs
    rules = policy(ho.TransactionCost() + 1e-9 * Turnover(), OptionWorth() + 0.5 * ho.Carry() >= -4e6, PremiumSpent(usd=2e5))
    proposal = rules.propose(book, market)
    assert proposal.certificate.valid
    limits = proposal.limits.set_index("limit")
    assert limits.loc["premium spent", "after"] <= 2e5 * (1 + 1e-9)
    assert "option worth + 0.5 carry" in limits.index
    words = " ".join(proposal.certificate.notes)
    assert "turnover: your own term; not proven independently" in words
    assert "option worth: your own term" in words
    assert "premium spent: your own limit" in words
    assert proposal.policy["minimize"][1]["term"]["kind"] == "turnover"
    assert ho.read_policy(io.StringIO(rules.to_toml())) == rules == ho.read_policy(io.StringIO(rules.to_json()))
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert ho.Proposal.from_json(proposal.to_json()) == proposal == pickle.loads(pickle.dumps(proposal))
    assert "turnover" in proposal.to_html()


def test_the_verifier_claims_nothing_of_them(inputs: tuple[ho.Book, ho.Market], tmp_path: Any) -> None:
    book, market = inputs
    rules = policy(ho.TransactionCost() + 1e-9 * Turnover(), PremiumSpent(usd=2e5))
    path, _ = rules.propose(book, market).write(tmp_path)
    verdict = verify(path, book, market, rules)
    assert not verdict.valid
    assert verdict.exit_code == 4
    assert not verdict.broken
    assert not verdict.wrong
    assert {line.split(" is your own")[0] for line in verdict.unproven} == {
        "not verifiable: the term 'turnover'",
        "not verifiable: the limit 'premium_spent'",
    }


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("concave", "is not convex"),
        ("vector", "is not one number"),
        ("not dpp", "is not DPP"),
        ("value", "its expression to"),
        ("size", "below its value"),
        ("minorant", "has a minorant of"),
        ("no form", "binds to no BoundTerm"),
    ],
)
def test_a_term_that_contradicts_itself_is_refused(lie: str, words: str, inputs: tuple[ho.Book, ho.Market]) -> None:
    for rules in (policy(ho.TransactionCost() + Turnover(lie=lie)), policy(None, Turnover(lie=lie) + ho.Carry() <= 1e9)):
        with pytest.raises(ho.InputError, match=words) as error:
            rules.propose(*inputs)
        assert "turnover" in str(error.value)


def test_a_class_without_a_kind_of_its_own_is_refused() -> None:
    with pytest.raises(ho.InputError, match="is a term of the package"):

        class Delta(ho.Term):
            kind: Literal["delta"] = "delta"

    with pytest.raises(ho.InputError, match="needs a kind of its own"):

        class Other(ho.Term):
            kind: str = "other"

    with pytest.raises(ho.InputError, match="is a constraint of the package"):

        class Orders(ho.BoxConstraint):
            kind: Literal["order_limit"] = "order_limit"


def test_a_class_defined_again_takes_the_place_of_the_first(inputs: tuple[ho.Book, ho.Market]) -> None:
    def define(bound: float) -> Any:
        class Twice(ho.LinearConstraint):
            kind: Literal["twice"] = "twice"

            @property
            def name(self) -> str:
                return "twice"

            def rows(self, e: ho.Exposures) -> list[ho.Row]:
                return [ho.Row(self.name, "USD", e.rows.value[e.candidate], bound)]

        return Twice

    define(0.0)
    again = policy(None, define(1e5)())
    assert again.propose(*inputs).limits.set_index("limit").loc["twice", "bound"] == 1e5
    with pytest.raises(ho.InputError, match="is no known kind"):
        policy(None, {"kind": "thrice"})


VENUE = """
as_of = 2026-03-01
shelf_life_days = 365
[fees]
perpetual_taker = 0.0005
[[names]]
kind = "power_perpetual"
form = "{base}-SQUARED"
settlement = "USDC"
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
initial_factor = 1.5
maintenance_factor = 1.0
[margin.instrument.power_perpetual]
power = 2.0
[haircut]
USDC = 0.0
"""


def test_a_family_is_registered_and_not_claimed(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (repository / "docs" / "extend.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# models/pricing/power_perpetual.py.*?)```", page, re.DOTALL)
    module = ModuleType("power_perpetual")
    monkeypatch.setitem(sys.modules, "power_perpetual", module)
    exec(compile(code, "docs/extend.md", "exec", dont_inherit=True), module.__dict__)
    (tmp_path / "curve.toml").write_text(VENUE, encoding="utf-8")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(tmp_path))
    monkeypatch.setitem(FAMILIES, "power_perpetual", None)  # taken away again after the test
    monkeypatch.setitem(OWN_INSTRUMENTS.own, "power_perpetual", None)
    ho.register_family(module.POWER_PERPETUAL)
    rows = [("ETH-SQUARED", 400.0, 0.25), ("ETH-PERP", 2_000.0, 0.5)]
    frame = pd.DataFrame(
        {
            "timestamp": "2026-03-02T08:00:00Z", "currency": "ETH", "instrument_name": name, "index_price": 2_000.0,
            "option_type": None, "strike": np.nan, "expiry": None, "mark_iv": np.nan, "underlying_price": np.nan,
            "mark_price": mark, "bid_price": mark - half, "ask_price": mark + half, "funding_8h": 1e-4,
        }
        for name, mark, half in rows
    )  # fmt: skip
    market = ho.read_market(frame, venue="curve")
    assert ho.Market.from_frame(market.to_frame()).instruments == market.instruments
    account = {"name": "main", "venue": "curve", "collateral": [{"asset": "USDC", "amount": 1e5}]}
    book = ho.read_book({"accounts": [account | {"positions": [{"instrument": "ETH-SQUARED", "quantity": -100.0}]}]})
    rules = ho.Policy(
        ho.TransactionCost(),
        [ho.Delta("ETH").within(-1.0, 1.0)],
        candidates=ho.Candidates(kinds=["perpetual", "power_perpetual"]),
        scenarios=ho.ParametricScenarios(count=200, vol={"ETH": 0.6}),
        stress={"names": ["2020-03-12"]},
        lots="ideal",
    )
    proposal = rules.propose(book, market)
    assert proposal.certificate.valid
    assert "power_perpetual: your own family" in " ".join(proposal.certificate.notes)
    assert abs(proposal.after.greeks["ETH"]["delta"]) <= 1.0 + 1e-9
    path, _ = proposal.write(tmp_path / "out")
    assert "not verifiable: the family 'power_perpetual'" in " ".join(verify(path, book, market, rules).unproven)


def test_a_family_that_is_none_is_refused() -> None:
    class NoHooks(ho.Family):
        kind, instrument = "perpetual", ho.Perpetual

    for given, words in ((3, "must be a Family"), (ho.Family(), "has no instrument"), (NoHooks(), "has no unit_risk")):
        with pytest.raises(ho.InputError, match=words):
            ho.register_family(given)  # type: ignore[arg-type]
