"""OKX portfolio margin: the venue's own replies and examples, every part by hand, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hedgeopt.errors import InputError
from hedgeopt.models.data import use_tables
from hedgeopt.models.margin.okx_portfolio import OkxPortfolio
from hedgeopt.models.margin.spreads import cheapest, hedged, hedged_lines, matched, matched_charges, unhedged_side
from hedgeopt.models.margin.state import State

PACKAGED = OkxPortfolio()._data
OWN: dict[str, Any] = {
    "vols": [[0, 0.30, 0.50], [60, 0.10, 0.60]], "vega": [[0, 0.10], [100, 0.0]], "interest": [[0, 0.05]],
    "minimum_long_option": 0.001, "minimum_short_option": 0.004,
}  # fmt: skip
FULL = {**PACKAGED, "large": {**PACKAGED["large"], **OWN}, "depeg": [[0, 0.0075], [1e6, 0.0175], [5e6, 0.025]]}


def settled(state: State, *names: str) -> State:
    """The same account, each row settled in a dollar at par."""
    return replace(state, settlement=names, settlement_price=np.ones(len(names)))


def test_the_reply_in_the_venues_documentation(state_of: Callable[..., State]) -> None:
    """account/position-builder, 2025-01-15: short .1 BTC and long 10 LTC of perpetuals in USDT.

    The reply's losses are on 9,703.42 USD of BTC and its basis and minimum on 9,704.90, .016 % apart.
    """
    items = [{"kind": "perpetual", "underlying": c, "mark": m} for c, m in (("BTC", 97_093.7), ("LTC", 102.0))]
    state = state_of(items, index={"BTC": 97_093.7, "LTC": 102.0}, collateral={"USDT": 1.0}, venue="okx")
    usd = np.array([9_704.903689800001, 1_019.5308])
    state = replace(state, settlement=("USDT",) * 2, settlement_price=usd / np.array([9_709.37, 1_020.0]))
    one, two = OkxPortfolio().units(state)
    short, long = np.array([-0.1]), np.array([10.0])
    assert one.worst(short) == pytest.approx(1_164.4109244719994, rel=2e-4)
    assert two.worst(long) == pytest.approx(183.50672805719995, rel=2e-4)
    assert one.charged(short) == {"basis": pytest.approx(19.4098073796)}
    assert two.charged(long) == {"basis": pytest.approx(8.1562464)}
    assert one.least(short) == pytest.approx(43.67206660410001)
    assert two.least(long) == pytest.approx(7.1367156)
    need = OkxPortfolio().requirement(state, np.array([-0.1, 10.0]), np.zeros(1))
    assert need.maintenance == pytest.approx(1_183.8207318516002 + 191.6629744572, rel=2e-4)
    assert need.initial == pytest.approx(1_538.9669514070802 + 249.16186679436, rel=2e-4)


def test_loans_of_the_same_reply(state_of: Callable[..., State]) -> None:
    """78,553.22 USD of USDT are owed: 7,855.32 initial, 1,571.06 maintenance, on top of the units."""
    state = state_of([], index={}, collateral={"USDT": 1.0}, venue="okx")
    owed = np.array([-78_553.21888979999])
    model = OkxPortfolio({**PACKAGED, "loans": {"USDT": {"initial": 0.1, "maintenance": 0.02}}})
    need = model.requirement(state, np.zeros(0), owed)
    assert (need.initial, need.maintenance) == (pytest.approx(7_855.32188898), pytest.approx(1_571.064377796))
    assert model.encode(state, "initial")(np.zeros(0), owed) == pytest.approx(need.initial)
    with pytest.raises(InputError, match=r"USDT is borrowed in account main.*\[portfolio_margin.loans\] USDT = SHARE"):
        OkxPortfolio().requirement(state, np.zeros(0), owed)


def test_the_venues_example_of_hedges_across_dollars(state_of: Callable[..., State]) -> None:
    """10m USD hedged at .75, 1.75 and 2.5 %: 202,500."""
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0}] * 2
    state = settled(state_of(items, index={"BTC": 50_000.0}, venue="okx"), "USDT", "USDC")
    (unit,) = OkxPortfolio(FULL).units(state)
    assert unit.depegged(np.array([200.0, -230.0])) == pytest.approx(202_500.0)
    assert unit.depegged(np.array([200.0, 230.0])) == 0.0


def test_dollars_are_matched_pair_after_pair(state_of: Callable[..., State]) -> None:
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0, "inverse": k == 0} for k in range(3)]
    state = state_of(items, index={"BTC": 50_000.0}, venue="okx")
    state = replace(state, settlement=("BTC", "USDC", "USDT"))
    (unit,) = OkxPortfolio(FULL).units(state)
    # USDT +3m against USD -1m, then against USDC -2m: each pair begins at the first step
    z = np.array([-1e6, -40.0, 60.0])
    assert unit.depegged(z) == pytest.approx(7_500.0 + 7_500.0 + 1e6 * 0.0175)


def test_basis_of_the_example_of_2024(state_of: Callable[..., State]) -> None:
    """10 BTC of spot against -1,000 contracts: MR4 is 8,053.32, .6 % (that day's) of each side, and MR7 3,020.17.

    The minimum gives the contracts' notional, 671,148.89 USD; spot is not part of our units, so that one side is compared.
    """
    notional = 3_020.17 / 0.0045
    state = state_of([{"kind": "perpetual", "underlying": "BTC", "mark": notional / 10.0}], index={"BTC": 67_000.0})
    (unit,) = OkxPortfolio({**PACKAGED, "large": {**PACKAGED["large"], "basis_floor": 0.006}}).units(state)
    assert 2.0 * unit.charged(np.array([-10.0]))["basis"] == pytest.approx(8_053.32, rel=1e-4)


def test_the_margin_of_the_example_of_2024(state_of: Callable[..., State]) -> None:
    """okx.com/help/okx-to-enhance-new-features-in-portfolio-margin-mode (2024-05-31): MMR = max(MR4, MR7) = 8,053.32.

    MR1, 2, 3, 5 and 6 are 0 and ``MR4 = .006 (N + N)``, N = 671,110 USD; a future of a day stands for the spot, which is not
    part of our units, and has a minimum charge of its own: MR7 is twice 3,020 here, still below. Within 1e-6.
    """
    notional = 8_053.32 / 0.012
    items = [{"kind": "future", "underlying": "BTC", "mark": notional / 10.0, "days": 1.0},
             {"kind": "perpetual", "underlying": "BTC", "mark": notional / 10.0}]  # fmt: skip
    state = settled(state_of(items, index={"BTC": notional / 10.0}, venue="okx"), "USDT", "USDT")
    z, model = np.array([10.0, -10.0]), OkxPortfolio({**PACKAGED, "large": {**PACKAGED["large"], "basis_floor": 0.006}})
    (unit,) = model.units(state)
    assert unit.worst(z) == pytest.approx(0.0, abs=1e-9)
    assert unit.least(z) == pytest.approx(2 * 3_020.17, rel=1e-4)
    assert model.requirement(state, z, np.zeros(0)).maintenance == pytest.approx(8_053.32, rel=1e-6)
    assert model.encode(state, "maintenance").at(z)(z, np.zeros(0)) == pytest.approx(8_053.32, rel=1e-6)


@pytest.mark.parametrize(
    ("coins", "moves", "extreme", "year"),
    [
        ("BTC ETH", (0.04, 0.08, 0.12), 0.24, 0.05),
        ("LTC BCH ADA XRP", (0.06, 0.12, 0.18), 0.36, 0.15),
        ("SOL DOGE PEPE BNB SHIB ORDI WLD", (0.08, 0.16, 0.25), 0.36, 0.15),
        ("TON XYZ", (0.08, 0.16, 0.25), 0.50, 0.30),
    ],
)
def test_moves_of_every_group(
    state_of: Callable[..., State], coins: str, moves: tuple[float, ...], extreme: float, year: float
) -> None:
    """okx.com/help/okx-will-further-adjust-portfolio-margin-parameters (2025-01-02): 1,000 USD of a future of a year.

    ``MMR = N (max(MR1, MR6 / 2) + expm1(year T))``, T = 1, to 1e-9. The page's list of coins that MR1 moves by 6, 12 and
    18 % is another one than that of MR6 and MR4: SOL moves by 25 % at most.
    """
    other = {**PACKAGED["other"], "basis_floor": 0.008, "minimum_future": 0.007}
    for coin in coins.split():
        item = {"kind": "future", "underlying": coin, "mark": 2.0, "days": 365.0}
        state = settled(state_of([item], index={coin: 2.0}, venue="okx"), "USDT")
        model = OkxPortfolio({**PACKAGED, "other": other})
        (unit,) = model.units(state)
        both = {0.0, *(sign * m for m in (*moves, extreme / 2) for sign in (1.0, -1.0))}
        assert np.unique(np.round(unit.loss[:, 0] / 2.0, 9)) == pytest.approx(sorted(both), abs=1e-9), coin
        need = model.requirement(state, np.array([500.0]), np.zeros(0))
        assert need.maintenance == pytest.approx(1_000.0 * (moves[-1] + math.expm1(year)), rel=1e-9), coin


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def call(forward: float, vol: float, days: float, strike: float = 100_000.0) -> float:
    if days <= 0 or vol <= 0:
        return max(forward - strike, 0.0)
    deviation = vol * math.sqrt(days / 365.0)
    d = math.log(forward / strike) / deviation + deviation / 2.0
    return forward * phi(d) - strike * phi(d - deviation)


def option_account(state_of: Callable[..., State], days: float = 30.0) -> State:
    items = [{"kind": "option", "underlying": "BTC", "strike": 100_000.0, "days": days, "forward": 101_000.0, "vol": 0.6,
              "mark": 0.05, "inverse": True}]  # fmt: skip
    return state_of(items, index={"BTC": 100_000.0}, venue="okx")


@pytest.mark.parametrize("quantity", [2.0, -2.0])
def test_options_by_hand(state_of: Callable[..., State], quantity: float) -> None:
    """A coin-settled call: 35 scenarios, two extreme ones at a half, a day's passing, and charges on its expiry."""
    spot, forward, vol, days = 100_000.0, 101_000.0, 0.6, 30.0
    coin = spot / forward
    points, share = 0.2, 0.55  # half way between 0 and 60 days
    losses = [0.0, -quantity * coin * (call(forward, vol, days - 1.0) - call(forward, vol, days))]
    for move in (-0.12, -0.08, -0.04, 0.0, 0.04, 0.08, 0.12):
        for other in (vol, vol + points, vol - points, vol * (1 + share), vol * (1 - share)):
            losses.append(-quantity * coin * (call(forward * (1 + move), other, days) - call(forward, vol, days)))
    for move in (-0.24, 0.24):
        losses.append(-0.5 * quantity * coin * (call(forward * (1 + move), vol, days) - call(forward, vol, days)))
    bump = 1e-4
    vega = (call(forward, vol + bump, days) - call(forward, vol - bump, days)) / (2 * bump) * coin
    delta = (call(forward + 1.0, vol, days) - call(forward - 1.0, vol, days)) / 2.0 * forward * coin
    charges = abs(quantity) * (
        0.07 * vega + delta * max(0.002, math.expm1(0.05 * days / 365.0)) + 0.05 * days / 365.0 * delta
    )
    least = abs(quantity) * spot * (0.001 if quantity > 0 else 0.004)
    state, z = option_account(state_of), np.array([quantity])
    need = OkxPortfolio(FULL).requirement(state, z, np.zeros(0))
    assert need.maintenance == pytest.approx(max(max(losses) + charges, least), rel=1e-6)
    assert need.initial == pytest.approx(1.3 * need.maintenance)
    for kind in ("initial", "maintenance"):
        assert OkxPortfolio(FULL).encode(state, kind)(z, np.zeros(0)) == pytest.approx(need.of(kind))


def test_the_minimum_charge_rises_by_steps(state_of: Callable[..., State]) -> None:
    """A hedged pair of perpetuals loses nothing in any scenario: its minimum is .45 % of both sides, twice above 250,000."""
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 100_000.0}] * 2
    state = settled(state_of(items, index={"BTC": 100_000.0}, venue="okx"), "USDT", "USDT")
    for size, least in ((100.0, 90_000.0), (400.0, 250_000.0 + 2 * 110_000.0)):
        need = OkxPortfolio().requirement(state, np.array([size, -size]), np.zeros(0))
        assert need.breakdown == {"BTC minimum charge": pytest.approx(1.3 * least)}
        assert need.maintenance == pytest.approx(least)
        found = OkxPortfolio().encode(state, "maintenance")(np.array([size, -size]), np.zeros(0))
        assert found == pytest.approx(least)


def test_perpetuals_of_listed_coins_need_no_table_and_others_do(state_of: Callable[..., State]) -> None:
    state = state_of([{"kind": "perpetual", "underlying": "XYZ", "mark": 2.0}], index={"XYZ": 2.0}, venue="okx")
    said = (
        r"i0 \(perpetual\) at OKX needs \[portfolio_margin.other\] basis_floor.*write okx_portfolio.toml beside the policy "
    )
    with pytest.raises(InputError, match=said + 'with extends = "okx_portfolio"'):
        OkxPortfolio().encode(settled(state, "USDT"), "initial")


@pytest.mark.parametrize("name", ["vols", "vega", "interest", "minimum_long_option", "minimum_short_option"])
def test_every_number_of_options_is_asked_for_by_name(state_of: Callable[..., State], name: str) -> None:
    own = {**FULL, "large": {key: value for key, value in FULL["large"].items() if key != name}}
    with pytest.raises(InputError, match=rf"\(option\) at OKX needs \[portfolio_margin.large\] {name}, which the venue"):
        OkxPortfolio(own).requirement(option_account(state_of), np.array([1.0]), np.zeros(0))


def test_several_dollars_need_their_rates(state_of: Callable[..., State]) -> None:
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 5e4}] * 2
    state = settled(state_of(items, index={"BTC": 5e4}, venue="okx"), "USDT", "USDC")
    with pytest.raises(InputError, match=r"needs \[portfolio_margin\] depeg"):
        OkxPortfolio().encode(state, "initial")


def test_a_table_of_ones_own_adds_what_is_missing(
    state_of: Callable[..., State], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGEOPT_TABLES", "")
    path = tmp_path / "okx_portfolio.toml"
    head = 'extends = "okx_portfolio"\nas_of = 2026-10-01\nshelf_life_days = 90\n[portfolio_margin.large]\n'
    path.write_text(head + "".join(f"{key} = {value}\n" for key, value in OWN.items()))
    use_tables(path)
    found = OkxPortfolio().requirement(option_account(state_of), np.array([-1.0]), np.zeros(0))
    assert found == OkxPortfolio(FULL).requirement(option_account(state_of), np.array([-1.0]), np.zeros(0))
    path.write_text(head + "vols = [[5, 0.1, 0.2]]\n")
    other = tmp_path / "again" / "okx_portfolio.toml"
    other.parent.mkdir()
    other.write_text(head + "vols = [[5, 0.1, 0.2]]\n")
    monkeypatch.setenv("HEDGEOPT_TABLES", str(other))
    with pytest.raises(InputError, match=r"okx_portfolio.toml.*must begin at 0 and rise"):
        OkxPortfolio().requirement(option_account(state_of), np.array([-1.0]), np.zeros(0))


def bound(choice: np.ndarray, amounts: np.ndarray, times: np.ndarray) -> float:
    """What one choice of bounds charges for amounts (E,)."""
    parts = zip(matched_charges(choice, times), (np.cumsum(amounts)[:-1], amounts[1:]), strict=True)
    return sum(float(rates[0] @ np.maximum(sums, 0.0) + rates[1] @ np.maximum(-sums, 0.0)) for rates, sums in parts)


def test_spreads_and_their_bounds() -> None:
    """Hedged amounts and matched expiries by hand; bounds nowhere below, and exact where they were chosen."""
    assert hedged(np.array([5.0, -3.0, -4.0])) == 5.0
    assert matched([10.0, -4.0, -9.0], [0.0, 1.0, 3.0]) == pytest.approx(4.0 * 1.0 + 6.0 * 3.0)
    rng = np.random.default_rng(3)
    for _ in range(500):
        n = int(rng.integers(1, 7))
        a, t = rng.standard_normal(n) * (rng.random(n) < 0.7), np.cumsum(rng.exponential(size=n))
        charged = matched(a.tolist(), t.tolist())
        assert bound(cheapest(a, t), a, t) == pytest.approx(charged, abs=1e-12)
        assert bound(rng.integers(-1, 2, n - 1), a, t) >= charged - 1e-12
        assert (hedged_lines(np.eye(n), unhedged_side(a)) @ a).max() == pytest.approx(hedged(a), abs=1e-12)
        assert (hedged_lines(np.eye(n), -unhedged_side(a)) @ a).max() >= hedged(a) - 1e-12


def test_an_amount_that_nothing_matches_is_charged_nothing() -> None:
    """Six expiries of one sign: the bound of the anchor charges 0, as the venue does."""
    a, t = np.arange(1.0, 7.0), np.arange(6.0)
    assert bound(cheapest(a, t), a, t) == matched(a.tolist(), t.tolist()) == 0.0


def test_steps_of_the_minimum_charge_apply_to_their_own_part(state_of: Callable[..., State]) -> None:
    """The venue's announcement of 2021-12-24: 30,000 USD of raw minimum charge become 50,000 by the steps of then."""
    older = [[0, 1], [10_000, 2], [70_000, 4], [170_000, 6], [300_000, 8], [470_000, 10], [700_000, 12]]
    model = OkxPortfolio({**PACKAGED, "minimum_tiers": older, "large": {**PACKAGED["large"], "minimum_future": 0.3}})
    state = settled(state_of([{"kind": "perpetual", "underlying": "BTC"}], index={"BTC": 100_000.0}, venue="okx"), "USDT")
    need = model.requirement(state, np.array([1.0]), np.zeros(0))
    assert need.maintenance == pytest.approx(50_000.0)
    assert need.breakdown == {"BTC minimum charge": pytest.approx(65_000.0)}
