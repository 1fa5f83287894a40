"""Positions that no market quotes: valued by the surface, or set aside by name and size; never silently."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hedgeopt as ho
from hedgeopt.exposures.expose import expose
from hedgeopt.exposures.resolve import resolve
from hedgeopt.exposures.unlisted import QuotedCurve
from hedgeopt.inputs.columns import QUOTE_FIELDS
from hedgeopt.measures.risk import risk_report
from hedgeopt.models.pricing.black76 import black76_price as price
from hedgeopt.program.book_after import change_position

NOW = datetime(2024, 6, 1, 10, tzinfo=UTC)
EXPIRY = {27: datetime(2024, 6, 28, 8, tzinfo=UTC), 118: datetime(2024, 9, 27, 8, tzinfo=UTC)}
INDEX, VOL = 67_400.0, 0.6


def forward(expiry: datetime) -> float:
    return INDEX * float(np.exp(0.08 * years(expiry)))


def years(expiry: datetime) -> float:
    return (expiry - NOW).total_seconds() / (365 * 86_400)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> ho.Market:
    """Two expiries with one vol for all strikes, forwards at 8 % a year, and a perpetual."""
    rows = [{"instrument_name": "BTC-PERPETUAL", "bid_price": INDEX - 5, "ask_price": INDEX + 5, "mark_price": INDEX}]
    for expiry in EXPIRY.values():
        for strike in (50_000, 60_000, 65_000, 70_000, 80_000, 100_000):
            for right in ("call", "put"):
                f = forward(expiry)
                mark = float(price(f, strike, years(expiry), VOL, right == "call")) / f
                rows.append(
                    {
                        "instrument_name": f"BTC-{expiry:%-d%b%y}-{strike}-{right[0]}".upper(),
                        "option_type": right,
                        "strike": strike,
                        "expiry": expiry,
                        "bid_price": max(mark - 0.0005, 0.0001),
                        "ask_price": mark + 0.0005,
                        "mark_price": mark,
                        "mark_iv": VOL,
                        "underlying_price": f,
                    }
                )
    frame = pd.DataFrame(
        [{"timestamp": NOW, "currency": "BTC", "index_price": INDEX, "open_interest": 1e4, **r} for r in rows]
    )
    path = tmp_path_factory.mktemp("m") / "market.csv"
    frame.to_csv(path, index=False)
    return ho.read_market(path)


def option(strike: float = 72_500.0, expiry: datetime = EXPIRY[27], right: str = "call", **more: Any) -> ho.Option:
    terms = {
        "underlying": "BTC",
        "settlement": "BTC",
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "venue": "otc desk",
    }
    return ho.Option(name=f"OTC {strike:g} {right}", **terms, **more)


def book(*positions: Any, venue: str = "otc desk", margin: str = "otc", **posted: float) -> ho.Book:
    held = tuple(ho.Position(instrument=item, quantity=q) for item, q in positions)
    coins = tuple(ho.Collateral(asset=a, amount=n) for a, n in ({"USDC": 1e6} | posted).items())
    return ho.Book(accounts=(ho.Account(name="main", venue=venue, margin=margin, collateral=coins, positions=held),))


POLICY = ho.Policy(
    minimize=ho.TransactionCost(),
    subject_to=[ho.Delta("BTC").within(-0.01, 0.01)],
    scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6}),
    lots="ideal",
)


def valued(given: ho.Book, market: ho.Market) -> Any:
    return expose(given, market, POLICY, trades=False)


@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("expiry", [EXPIRY[27], datetime(2024, 8, 2, 8, tzinfo=UTC), datetime(2024, 6, 7, 8, tzinfo=UTC)])
def test_any_strike_and_expiry_from_the_surface(market: ho.Market, expiry: datetime, right: str) -> None:
    """One vol everywhere and one rate: the value is Black's, at forwards of that rate."""
    e = valued(book((option(expiry=expiry, right=right), 2.0)), market)
    f = forward(expiry)
    usd = float(price(f, 72_500.0, years(expiry), VOL, right == "call")) * INDEX / f
    assert e.rows.value[0] == pytest.approx(usd, rel=1e-6)
    (note,) = [note for note in e.notes if note.startswith("OTC 72500")]
    assert "vol 60 % (from the surface of BTC at deribit" in note
    assert ("of the listed expiry" in note) == (expiry == EXPIRY[27])
    assert ("extrapolated beyond the first quoted expiry" in note) == (expiry < EXPIRY[27])


@pytest.mark.parametrize(
    ("strike", "expiry", "words"),
    [
        (300_000.0, EXPIRY[27], "extrapolated beyond strike 100,000"),
        (10_000.0, EXPIRY[118], "extrapolated beyond strike 50,000"),
        (70_000.0, datetime(2025, 6, 27, 8, tzinfo=UTC), "extrapolated beyond the last quoted expiry"),
        (70_000.0, datetime(2025, 6, 27, 8, tzinfo=UTC), "(extrapolated beyond the last expiry at 8 % a year)"),
    ],
)
def test_extrapolation_is_said(market: ho.Market, strike: float, expiry: datetime, words: str) -> None:
    e = valued(book((option(strike, expiry), -1.0)), market)
    assert any(words in note for note in e.notes)
    assert np.isfinite(e.rows.value[0])


def _curve(hours: float, basis: float) -> QuotedCurve:
    """Two options of one expiry so many hours away, whose forward lies ``basis`` above the index."""
    expiry = NOW + timedelta(hours=hours)
    items = [option(strike, expiry) for strike in (60_000.0, 80_000.0)]
    given = {"mark_iv": 0.6, "underlying_price": INDEX * (1.0 + basis), "index_price": INDEX, "mark_price": 0.01}
    row = {name: given.get(name, np.nan) for name in QUOTE_FIELDS if name != "timestamp"} | {"timestamp": pd.Timestamp(NOW)}
    table = pd.DataFrame([row] * len(items), columns=list(QUOTE_FIELDS), index=[item.id for item in items])
    found = ho.Market(NOW, {"BTC": INDEX}, {item.id: item for item in items}, table)
    return QuotedCurve("BTC", items, found.arrays())


def test_a_basis_of_hours_is_no_rate() -> None:
    """Minus .05 % in 16 hours is minus 24 % a year: it once brought a forward of 0.06 times the index in ten years."""
    curve = _curve(16.0, -0.0005)
    for term in (0.1, 0.45, 10.0):
        f, said = curve.forward(term)
        assert f == pytest.approx(INDEX * 0.9995, rel=1e-12)
        assert "whose basis of -0.05 % is kept, as 16 hours tell no rate" in said


@pytest.mark.parametrize(("basis", "rate"), [(0.01, None), (0.1, 0.25), (-0.1, -0.25)])
def test_the_rate_carried_on_is_bounded_and_ends(basis: float, rate: float | None) -> None:
    last = 30.0 / 365.0
    curve = _curve(30.0 * 24.0, basis)
    own = np.log1p(basis) / last
    for term in (2.0 * last, 4.0 * last, 10.0):
        f, said = curve.forward(term)
        wanted = (1.0 + basis) * np.exp((own if rate is None else rate) * (min(term, 4.0 * last) - last))
        assert f == pytest.approx(INDEX * wanted, rel=1e-12)
        assert ("for 4 times its term" in said) == (term > 4.0 * last)
        assert ("the most that is carried on" in said) == (rate is not None)


def test_no_vol_is_made_up_far_beyond_the_last_expiry(market: ho.Market) -> None:
    """118 days are listed: one year is within four times that, ten years are not, unless the book gives its own vol."""
    far = NOW + timedelta(days=3650)
    near = valued(book((option(expiry=NOW + timedelta(days=465)), 1.0)), market)
    assert not any("set aside" in note for note in near.notes)
    left = valued(book((option(expiry=far), 1.0)), market)
    assert any("set aside" in note and "more than 4 times the" in note for note in left.notes)
    strict = POLICY.model_copy(update={"strictness": "strict"})
    with pytest.raises(ho.InputError, match=r"expires in 3,650 days, more than 4 times .* give vol"):
        expose(book((option(expiry=far), 1.0)), market, strict, trades=False)
    own = valued(book((option(expiry=far, vol=0.55, forward=100_000.0), 1.0)), market)
    assert any("vol 55 % (given) and forward 100,000 (given)" in note for note in own.notes)
    with pytest.raises(ho.InputError, match="at its last expiry"):
        valued(book((option(expiry=far, vol=0.0055), 1.0)), market)


def test_the_books_own_vol_and_forward(market: ho.Market) -> None:
    e = valued(book((option(vol=0.9, forward=70_000.0), 1.0)), market)
    usd = float(price(70_000.0, 72_500.0, years(EXPIRY[27]), 0.9, True)) * INDEX / 70_000.0
    assert e.rows.value[0] == pytest.approx(usd, rel=1e-9)
    assert any("vol 90 % (given) and forward 70,000 (given)" in note for note in e.notes)
    assert option(vol=0.9).model_dump()["vol"] == 0.9
    assert "vol" not in option().model_dump()  # digests of older books and markets stay


def test_margin_that_no_rule_counts_is_noted_however_strict(market: ho.Market) -> None:
    notes = resolve(book((option(), -5.0)), market).notes
    assert any("no margin is counted in account" in note for note in notes), notes


def test_an_otc_option_is_hedged_at_another_venue(market: ho.Market) -> None:
    otc = book((option(), -5.0)).accounts[0]
    venue = ho.Account(name="deribit", venue="deribit", collateral=(ho.Collateral(asset="USDC", amount=5e5),))
    given = ho.Book(accounts=(otc.model_copy(update={"tradable": False}), venue))
    proposal = ho.propose(given, market, POLICY)
    assert proposal.certificate.valid
    assert proposal.trades["quantity"].abs().sum() > 0
    assert any("OTC 72500 call: not quoted, valued at vol 60 %" in note for note in proposal.notes)
    assert "not quoted, valued at vol 60 %" in proposal.to_html()


def test_without_a_surface_it_is_refused_or_set_aside(market: ho.Market) -> None:
    alone = replace(
        market,
        instruments={k: i for k, i in market.instruments.items() if not i.nature.option},
        quotes=market.quotes[[not market.instruments[k].nature.option for k in market.quotes.index]],
    )
    with pytest.raises(ho.InputError, match=r"OTC 72500 call.*give vol \(and forward\)"):
        resolve(book((option(), 1.0)), alone)
    found = resolve(book((option(), 1.0)), alone, "lenient")
    assert [(one.name, one.quantity) for one in found.aside] == [("OTC 72500 call", 1.0)]
    assert valued(book((option(vol=0.5), 1.0)), alone).rows.value[0] > 0


LEFT = {
    "BTC-31MAY24-70000-C": "expired 2024-05-31 08:00 UTC",
    "BTC-FS-28JUN24_PERP": "the market does not hold it",
    "nonsense": "the market does not hold it",
}


@pytest.mark.parametrize("name", list(LEFT))
def test_leftovers_are_set_aside_by_name_and_size_in_reports_of_risk(market: ho.Market, name: str) -> None:
    given = book((name, -3.0), ("BTC-PERPETUAL", 1_000.0), venue="deribit", margin="standard", BTC=2.0)
    e = valued(given, market)
    (note,) = [note for note in e.notes if note.startswith("set aside")]
    assert note.startswith(f"set aside, not in any figure: -3 {name} of account main: ")
    assert LEFT[name] in note
    with pytest.raises(ho.InputError, match=r"unknown instrument|expired 2024-05-31 08:00 UTC"):
        ho.propose(given, market, POLICY)
    lenient = POLICY.model_copy(update={"strictness": "lenient"})
    proposal = ho.propose(given, market, lenient)
    assert any(name in note and "set aside" in note for note in proposal.notes)
    assert name in proposal.to_html()
    assert any(p["instrument"] == name for a in proposal.book_after["accounts"] for p in a["positions"])  # still held


def test_a_delisted_future_an_unlisted_option_and_dust(market: ho.Market) -> None:
    given = book(
        ("BTC-26JUL24", 100.0), ("BTC-28JUN24-67000-C", 0.5), venue="deribit", margin="standard", DUST=0.004, BTC=1.0
    )  # fmt: skip
    e = valued(given, market)
    assert any("BTC-26JUL24: not quoted, valued at the forward" in note for note in e.notes)
    assert any("BTC-28JUN24-67000-C: not quoted, valued at vol 60 %" in note for note in e.notes)
    assert any("0.004 DUST of account main: the market has no price for it" in note for note in e.notes)
    assert e.equity[0] == pytest.approx(1e6 + INDEX + 0.5 * e.rows.value[1])


def test_several_lots_of_one_instrument(market: ho.Market) -> None:
    lots = tuple(
        ho.Position(instrument="BTC-PERPETUAL", quantity=q, lot=day) for day, q in (("3 May", 5e3), ("9 May", -2e3))
    )
    with pytest.raises(ValueError, match="give each its lot"):
        ho.Account(name="a", venue="deribit", positions=tuple(p.model_copy(update={"lot": None}) for p in lots))
    given = book(venue="deribit", margin="standard", BTC=1.0)
    given = given.model_copy(update={"accounts": (given.accounts[0].model_copy(update={"positions": lots}),)})
    assert valued(given, market).rows.quantity.tolist() == [3_000.0]


@pytest.mark.parametrize(
    ("amount", "left"), [(-8.0, [2.0]), (-2.0, [3.0, 5.0]), (-12.0, [-2.0]), (1.0, [5.0, 6.0]), (-5.0, [5.0])]
)
def test_a_trade_closes_the_oldest_lot_first(amount: float, left: list[float]) -> None:
    account = {"positions": [{"instrument": "X", "quantity": 5.0, "lot": k} for k in "ab"]}
    change_position(account, "X", amount)
    assert [p["quantity"] for p in account["positions"]] == left


def test_coins_that_are_only_collateral_are_something_to_hedge(market: ho.Market) -> None:
    proposal = ho.propose(book(venue="deribit", margin="standard", BTC=10.0), market, POLICY)
    assert proposal.certificate.valid
    assert proposal.trades["instrument"].tolist() == ["BTC-PERPETUAL"]
    assert proposal.trades["side"].tolist() == ["sell"]
    assert proposal.trades["quantity"].sum() == pytest.approx(10.0 * INDEX, rel=2e-3)


LIMITS = {
    "margin_utilisation": ho.MarginUtilisation(),
    "margin_utilisation, sum": ho.MarginUtilisation(portfolio=True, requirement="maintenance"),
    "survive_stress": ho.SurviveStress(),
    "margin limited": ho.Margin("otc desk") <= 0.5,
}
REFUSED = (
    r"covers account main, where OTC 72500 call is held and no rule knows the margin \(margin otc\).*exclude the account"
)


def two_accounts(quantity: float, tradable: bool = False, margin: str = "otc") -> ho.Book:
    otc = book((option(), quantity), margin=margin).accounts[0].model_copy(update={"tradable": tradable})
    venue = ho.Account(name="deribit", venue="deribit", collateral=(ho.Collateral(asset="USDC", amount=5e5),))
    return ho.Book(accounts=(otc, venue))


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_limits_on_margin_refuse_accounts_whose_margin_no_rule_knows(market: ho.Market, limit: Any) -> None:
    """A requirement of 0 would satisfy them whatever the contract asks for; with or without a program built before."""
    limited = POLICY.model_copy(update={"subject_to": (*POLICY.subject_to, limit)})
    with pytest.raises(ho.InputError, match=REFUSED):
        ho.propose(two_accounts(-5.0), market, limited)
    lenient = limited.model_copy(update={"strictness": "lenient"})
    with pytest.raises(ho.InputError, match=REFUSED):
        ho.propose(two_accounts(-5.0, margin="none"), market, lenient)
    long = ho.solve(two_accounts(5.0), market, limited)  # a long option is paid for: nothing to refuse
    assert long.proposal.certificate.valid
    with pytest.raises(ho.InputError, match=REFUSED):
        ho.solve(two_accounts(-5.0), market, limited, program=long.program)
    e = expose(two_accounts(-5.0), market, limited, trades=False)
    assert any("no margin is counted in account main" in note for note in e.notes)
    assert risk_report(e)


def test_a_margin_term_is_not_minimised_where_no_rule_knows_it(market: ho.Market) -> None:
    least = ho.Policy(minimize=ho.TransactionCost() + ho.Margin("otc desk"), scenarios=POLICY.scenarios, lots="ideal")
    with pytest.raises(ho.InputError, match=REFUSED):
        ho.propose(two_accounts(-5.0), market, least)


def test_accounts_that_may_trade_what_needs_margin_are_refused_too(market: ho.Market) -> None:
    wide = POLICY.candidates.model_copy(update={"underlyings": ("BTC",)})
    limited = POLICY.model_copy(update={"subject_to": (ho.MarginUtilisation(),), "candidates": wide})
    with pytest.raises(ho.InputError, match=r"covers account main, where .* may be traded .*set tradable = false"):
        ho.propose(book(venue="deribit"), market, limited)


def test_nothing_leaves_an_account_whose_margin_no_rule_knows(market: ho.Market) -> None:
    """The withdrawal rule used to count 0 there: everything could be sent away from a short option."""
    link = ho.Link(source="main", target="deribit", asset="USDC")
    linked = two_accounts(-5.0).model_copy(update={"links": (link,)})
    with pytest.raises(ho.InputError, match=r"links: lead out of account main, where OTC 72500 call is held and no rule"):
        ho.propose(linked, market, POLICY)
    back = linked.model_copy(update={"links": (ho.Link(source="deribit", target="main", asset="USDC"),)})
    assert ho.propose(back, market, POLICY).certificate.valid
    long = two_accounts(5.0).model_copy(update={"links": (link,)})
    assert ho.propose(long, market, POLICY).certificate.valid


@pytest.mark.parametrize("limit", [ho.MarginUtilisation(venue="deribit"), ho.SurviveStress(account="deribit")])
def test_limits_that_exclude_the_account_hold_for_the_others(market: ho.Market, limit: Any) -> None:
    limited = POLICY.model_copy(update={"subject_to": (*POLICY.subject_to, limit)})
    assert ho.propose(two_accounts(-5.0), market, limited).certificate.valid


def test_short_options_where_nothing_is_lent(market: ho.Market) -> None:
    """Valued without a requirement in reports of risk, which say so; refused where trades are proposed."""
    given = book((option(), -5.0), margin="none")
    assert any("no margin is counted in account main" in note for note in valued(given, market).notes)
    e = expose(given, market, POLICY.model_copy(update={"strictness": "strict"}), trades=False)
    with pytest.raises(ho.InputError, match="such as otc for a bilateral contract"):
        e.margins.requirement(0, e.rows.quantity, e.collateral[0])


@pytest.mark.realdata
def test_the_recorded_case(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hedgeopt.cli import main

    case = shared_data.parent / "cases" / "otc-option"
    assert main(["risk", "--book", str(case / "book.json"), "--market", str(case / "market.csv")]) == 0
    assert "OTC 80500 C: not quoted, valued at vol 82.39 %" in capsys.readouterr().out


def test_a_second_before_expiry_it_is_still_an_option(market: ho.Market) -> None:
    assert not resolve(book((option(expiry=NOW + timedelta(seconds=1)), 1.0)), market, "lenient").aside
    assert resolve(book((option(expiry=NOW), 1.0)), market, "lenient").aside
