"""A scenario model judged over a record, by seven books that are made anew for every window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from hedgeopt.backtest.books.recipes import LiquidityBook, LoopBook, RollingSeller, ShortGamma
from hedgeopt.backtest.record_coverage import HeldThen, Maker, RecordJudge
from hedgeopt.backtest.results.deflated import holm
from hedgeopt.backtest.valuation import value
from hedgeopt.errors import InputError
from hedgeopt.inputs.book import Book, Position
from hedgeopt.inputs.market import Market
from hedgeopt.measures.promised import RecordCoverage
from hedgeopt.models.data import dollar_assets, pegged_assets
from hedgeopt.models.pegs import is_peg

__all__ = ["JudgedModel", "judge_model", "standard_books"]

_LONGEST = 7


@dataclass(frozen=True)
class JudgedModel:
    """Coverage by book and horizon.

    Attributes
    ----------
    rows
        Name of the book and its coverage.
    """

    rows: tuple[tuple[str, RecordCoverage], ...]

    @property
    def refuted(self) -> tuple[str, ...]:
        """Books and horizons whose coverage is refuted at 5 %, all of them together (Holm 1979)."""
        known = [(name, one) for name, one in self.rows if one.windows]
        if not known:
            return ()
        p = holm([one.p_value for _, one in known])
        return tuple(
            f"{name}, {24 * one.horizon_days:g} hours" for (name, one), value in zip(known, p, strict=True) if value < 0.05
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is null."""
        rows = [{"book": name, **{k: _known(v) for k, v in asdict(one).items()}} for name, one in self.rows]
        return {"rows": rows, "refuted": list(self.refuted)}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def standard_books() -> dict[str, Maker]:
    """The seven books of the study, opened anew at each moment, hedged in coins; weekly strangles age from 7 to 2 days."""
    coins = {"BTC": (10.0, 20.0), "ETH": (300.0, 1000.0)}
    found: dict[str, Maker] = {}
    for asset, (contracts, posted) in coins.items():
        held = {"assets": (asset,), "quantity": {asset: contracts}, "collateral": {asset: posted}}
        found[f"short gamma, {asset}"] = _opened(ShortGamma(days=(30.0, 60.0, 150.0), **held))
        found[f"weekly seller, {asset}"] = _weekly(held)
        found[f"AMM LP, {asset}"] = _opened(LiquidityBook(base=asset, collateral={asset: 0.05 * posted, "USDC": 2e5}))
    found["looped staking, ETH"] = _opened(LoopBook(deposit=300.0, collateral={"ETH": 200.0}), flows=True)
    return found


def judge_model(
    settings: Any,
    record: Iterable[Market],
    *,
    horizons: Sequence[float] = (0.25, 1.0),
    level: float = 0.99,
    name: str = "",
    radius: float = 0.0,
) -> JudgedModel:
    """Every book and horizon over one replay of the record, with 2,000 scenarios at each moment.

    Parameters
    ----------
    settings
        Parametric or regime settings; their horizon is replaced.
    record
        Markets, oldest first, of a time that the model was not fitted to.
    radius
        Vol points that promises are widened by, ``radius`` times absolute vegas over ``1 - level``.
    """
    if not horizons or min(horizons) <= 0.0:
        raise InputError("must be above 0", field="horizons", value=list(horizons), fix="give days, such as 0.25 and 1")
    judges = [
        (book, RecordJudge(make, over, record_name=name, likeness=book, level=level, radius=radius))
        for over in (settings.model_copy(update={"horizon_days": days}) for days in horizons)
        for book, make in standard_books().items()
    ]
    for market in record:
        for _, judge in judges:
            judge.see(market)
    return JudgedModel(tuple((book, judge.coverage()) for book, judge in judges))


def _opened(recipe: Any, flows: bool = False) -> Maker:
    return lambda market: _made(recipe, market, flows)


def _weekly(held: dict[str, Any]) -> Maker:
    def make(market: Market) -> HeldThen | None:
        left = _LONGEST - int(market.timestamp.timestamp() // 86_400) % _LONGEST
        return _made(RollingSeller(days=float(max(left, 2)), **held), market, True)

    return make


def _made(recipe: Any, market: Market, flows: bool) -> HeldThen | None:
    """The book of a recipe with its first trades; None where the market quotes nothing of the kind."""
    try:
        book = recipe.open(market)
        return _hedged(_with(book, recipe.flow(market, book, 0, 0.0) if flows else []), market)
    except InputError:
        return None


def _hedged(book: Book, market: Market) -> HeldThen:
    """The book and coins against its deltas: what is left is what the model says of vols and large moves."""
    e = value(book, market).exposures
    delta = e.rows.greeks[0].T @ e.rows.quantity + e.coin_delta.sum(axis=0)
    outright = [not (asset in dollar_assets() or asset in pegged_assets() or is_peg(asset)) for asset in e.assets]
    coins = {asset: -float(delta[a]) for a, asset in enumerate(e.assets) if outright[a] and delta[a]}
    return HeldThen(book, coins)


def _with(book: Any, trades: Sequence[Any]) -> Any:
    accounts = []
    for account in book.accounts:
        more = tuple(Position(instrument=t.instrument, quantity=t.quantity) for t in trades if t.account == account.name)
        accounts.append(account.model_copy(update={"positions": (*account.positions, *more)}))
    return book.model_copy(update={"accounts": tuple(accounts)})
