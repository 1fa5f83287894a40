"""Deribit portfolio margin: the official example, published shocks, and each rule on its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from hedgeopt.errors import InputError
from hedgeopt.models.data import table
from hedgeopt.models.margin.deribit_grid import extended_pnl, shocked_vols
from hedgeopt.models.margin.deribit_portfolio import DeribitPortfolio

BTC = table("deribit")["portfolio_margin"]["BTC"]
ETH = table("deribit")["portfolio_margin"]["ETH"]
SHARED = table("deribit")["portfolio_margin"]


def example(state_of):
    """docs.deribit.com private/simulate: BTC-PERP +0.314538364 and BTC-28JUN24 -0.001187534 coins at index 65,666.19."""
    index = 65_666.19
    items = [
        {"kind": "perpetual", "underlying": "BTC", "mark": index, "inverse": True},
        {"kind": "future", "underlying": "BTC", "mark": index, "inverse": True, "days": 20.0},
    ]
    quantity = np.array([0.314538364, -0.001187534]) * index
    return state_of(items, index={"BTC": index}), quantity, index


def test_official_example_to_nine_digits(state_of) -> None:
    state, quantity, index = example(state_of)
    need = DeribitPortfolio().requirement(state, quantity, np.zeros(0), reserved=(0.06 + 0.000018212) * index)
    parts = {name: value / index for name, value in need.breakdown.items()}
    assert parts["BTC worst scenario"] == pytest.approx(0.05968587238095239, abs=1e-9)
    assert parts["BTC roll shock"] == pytest.approx(0.00315725898, abs=1e-9)
    assert parts["BTC delta shock"] == 0.0
    assert parts["BTC worst scenario"] + parts["BTC roll shock"] == pytest.approx(0.06284313098, abs=1e-9)
    assert need.initial / index == pytest.approx(0.122861343, abs=1e-9)
    assert need.maintenance / index == pytest.approx(0.050274504784, abs=1e-9)


def test_official_example_standard_table(state_of) -> None:
    state, quantity, _ = example(state_of)
    (grid,) = DeribitPortfolio().grids(state)
    pnl = grid.pnl @ quantity
    assert len(pnl) == 27 + 8
    for move, expected in ((-0.16, -0.0596858724), (-0.12, -0.0427296586), (-0.08, -0.0272478983), (-0.04, -0.0130562846)):
        cells = pnl[np.isclose(grid.moves, move) & ~grid.extended]
        assert len(cells) == 3  # vol up, same, down: futures do not care
        assert cells == pytest.approx([expected] * 3, abs=1e-9)
    assert (pnl[grid.moves >= 0] >= 0).all()


@pytest.mark.parametrize(
    ("days", "up", "down"),
    [(1, 2.38710, 0.30645), (7, 1.77371, 0.61315), (15, 1.61557, 0.69221), (30, 1.5, 0.75), (60, 1.45692, 0.77154)],
)
def test_vol_shock_multipliers(days: float, up: float, down: float) -> None:
    high, low = shocked_vols(BTC, SHARED, np.array([1.0]), np.array([float(days)]))
    assert high[0] == pytest.approx(up, abs=6e-6)
    assert low[0] == pytest.approx(down, abs=6e-6)


def test_vol_up_is_floored_and_vol_down_never_negative() -> None:
    high, low = shocked_vols(BTC, SHARED, np.array([0.1, 0.5]), np.array([200.0, 0.01]))
    assert high[0] == 0.5
    assert (low >= 0).all()


def test_a_perpetual_in_the_extended_table_collapses_to_the_edge_of_the_standard_one() -> None:
    # the venue's live ETH response: scaled far moves of a perpetual equal its +-range value, before dampening
    for move in SHARED["extended_moves"]:
        edge = np.sign(move) * ETH["range"]
        far = 5.0 * (1 - 1 / (1 + move))
        no_damping = {**ETH, "dampener": 0.0}
        got = extended_pnl(np.array([move]), np.array([far]), 2_000.0, no_damping)
        assert got[0] == pytest.approx(5.0 * (1 - 1 / (1 + edge)), rel=1e-12)
        damped = extended_pnl(np.array([move]), np.array([far]), 2_000.0, ETH)
        by = min((abs(move) / ETH["range"] - 1) * ETH["dampener"] / (2_000.0 * (1 + edge)), abs(got[0]))
        assert damped[0] == pytest.approx(got[0] - np.sign(got[0]) * by, rel=1e-12, abs=1e-15)


def test_option_cells_are_full_revaluations_in_coins(state_of) -> None:
    forward, strike, days, vol = 64_300.0, 60_000.0, 10.0, 0.8
    state = state_of(
        [{"kind": "option", "underlying": "BTC", "strike": strike, "right": "put", "days": days, "forward": forward,
          "vol": vol, "mark": 0.02, "inverse": True}],
        index={"BTC": 64_000.0},
    )  # fmt: skip

    def put(f: float, sigma: float) -> float:
        root = sigma * np.sqrt(days / 365)
        d1 = np.log(f / strike) / root + root / 2
        return strike * norm.cdf(root - d1) - f * norm.cdf(-d1)

    (grid,) = DeribitPortfolio().grids(state)
    power = (30 / days) ** 0.3
    for move in (-0.16, 0.0, 0.08):
        f = forward * (1 + move)
        for sigma in (vol * (1 + 0.5 * power), vol, vol * (1 - 0.25 * power)):
            expected = put(f, sigma) / f - put(forward, vol) / forward
            cells = grid.pnl[np.isclose(grid.moves, move) & ~grid.extended, 0]
            assert np.abs(cells - expected).min() < 1e-12


def test_roll_shock_by_expiry(state_of) -> None:
    items = [
        {"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0, "inverse": True},
        {"kind": "future", "underlying": "BTC", "mark": 50_000.0, "inverse": True, "days": 365.0},
        {"kind": "future", "underlying": "BTC", "mark": 50_000.0, "inverse": True, "days": 10.0},
    ]
    state = state_of(items, index={"BTC": 50_000.0})
    need = DeribitPortfolio().requirement(state, 50_000.0 * np.array([3.0, -2.0, -1.0]), np.zeros(0))
    coins = 3.0 * 0.01 + 2.0 * np.expm1(0.075) + 1.0 * 0.01  # expiries do not offset
    assert need.breakdown["BTC roll shock"] == pytest.approx(coins * 50_000.0, rel=1e-9)


def test_delta_shock_starts_at_its_threshold_and_long_options_only_offset(state_of) -> None:
    call = {"kind": "option", "underlying": "BTC", "strike": 1.0, "days": 30.0, "forward": 50_000.0, "vol": 0.5,
            "mark": 0.99, "inverse": True}  # fmt: skip
    items = [{"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0, "inverse": True}, call]
    state = state_of(items, index={"BTC": 50_000.0})
    model = DeribitPortfolio()

    def shock(perpetual: float, calls: float) -> float:
        z = np.array([perpetual * 50_000.0, calls])
        return model.requirement(state, z, np.zeros(0)).breakdown["BTC delta shock"]

    assert shock(399.0, 0.0) == 0.0
    # 500 coins: 25m of delta, 5m above the threshold
    assert shock(500.0, 0.0) == pytest.approx(min(5e6 * 500 * 5e-5, 0.1 * 25e6))
    assert shock(-500.0, 0.0) == pytest.approx(shock(500.0, 0.0))
    assert shock(500.0, 300.0) == pytest.approx(shock(500.0, 0.0))  # a long call adds nothing to a long perpetual
    assert shock(-500.0, 200.0) == 0.0  # and offsets a short one
    encoding = model.encode(state, "initial")
    (cap,) = encoding.caps
    assert cap.limit == pytest.approx(20e6 + 0.1 * 50_000.0 / 5e-5)
    for perpetual, calls in (
        (500.0, 300.0),
        (-500.0, 200.0),
        (-500.0, 900.0),
        (300.0, -900.0),
        (0.0, -450.0),
        (2_300.0, 0.0),
    ):
        z = np.array([perpetual * 50_000.0, calls])
        whole = encoding.ramps[0].value(float(cap.row @ z))
        assert whole >= shock(perpetual, calls) * (1 - 1e-12)  # long options only offset: the whole delta is no less
        if perpetual * calls >= 0.0 >= calls:
            assert whole == pytest.approx(shock(perpetual, calls))


@pytest.mark.parametrize(("coin", "index", "kink"), [("BTC", 63_858.0, 147.7e6), ("ETH", 1_874.0, 66.9e6)])
def test_the_kink_of_the_delta_shock(state_of, coin: str, index: float, kink: float) -> None:
    state = state_of([{"kind": "perpetual", "underlying": coin, "inverse": True}], index={coin: index})
    model = DeribitPortfolio()
    encoding = model.encode(state, "initial")
    (cap,) = encoding.caps
    assert cap.limit == pytest.approx(kink, rel=1e-3)
    for dollars in (-0.999 * kink, -30e6, -20e6, 1e6, 30e6, 0.999 * kink):
        plain = model.requirement(state, np.array([dollars]), np.zeros(0))
        assert encoding(np.array([dollars]), np.zeros(0)) == pytest.approx(plain.initial, rel=1e-9)
    beyond = np.array([3.0 * kink])
    plain = model.requirement(state, beyond, np.zeros(0)).initial
    assert encoding(beyond, np.zeros(0)) > 1.01 * plain
    assert encoding.at(beyond)(beyond, np.zeros(0)) == pytest.approx(plain, rel=1e-9)
    inside = np.array([30e6])
    assert encoding.at(beyond)(inside, np.zeros(0)) >= model.requirement(state, inside, np.zeros(0)).initial


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_perpetual_of_30m_by_hand(state_of, side: float) -> None:
    """The live parameters of BTC: ``N (1/(1 -+ .16) - 1)``, 1 % of roll and ``(N - 20m) N .00005 / S``, to 1e-12.

    Long: 6,249,182 USD, 12.5 % of 50m of equity; maintenance .8 of it. Beyond its kink the shock is ``.1 N``.
    """
    n, index = 30e6, 63_858.0
    state = state_of([{"kind": "perpetual", "underlying": "BTC", "inverse": True}], index={"BTC": index})
    need = DeribitPortfolio().requirement(state, np.array([side * n]), np.zeros(0))
    worst = n * side * (1.0 / (1.0 - side * 0.16) - 1.0)
    expected = {"worst scenario": worst, "roll shock": 0.01 * n, "delta shock": (n - 20e6) * n * 0.00005 / index}
    assert need.breakdown == {f"BTC {name}": pytest.approx(value, rel=1e-12) for name, value in expected.items()}
    assert need.initial == pytest.approx(sum(expected.values()), rel=1e-12)
    assert need.maintenance == pytest.approx(0.8 * need.initial, rel=1e-12)
    beyond = DeribitPortfolio().requirement(state, np.array([side * 200e6]), np.zeros(0))
    assert beyond.breakdown["BTC delta shock"] == pytest.approx(0.1 * 200e6, rel=1e-12)


def test_delta_shock_and_least_vol_of_eth(state_of) -> None:
    """The venue's live ETH response: max_delta_shock .1, min_volatility_for_shock_up .5, vols up by .4 at 30 days; to 1e-12.

    The shock of N USD of delta is ``(N - 20m) N .000004 / S`` up to 66.9m and ``.1 N`` above.
    """
    state = state_of([{"kind": "perpetual", "underlying": "ETH", "inverse": True}], index={"ETH": 1_874.0})
    for n, shock in ((30e6, 10e6 * 30e6 * 0.000004 / 1_874.0), (100e6, 10e6)):
        need = DeribitPortfolio().requirement(state, np.array([-n]), np.zeros(0))
        assert need.breakdown["ETH delta shock"] == pytest.approx(shock, rel=1e-12)
    high, _ = shocked_vols(ETH, SHARED, np.array([0.2, 0.5]), np.array([30.0, 30.0]))
    assert high == pytest.approx([0.5, 0.7], rel=1e-12)


def test_legacy_engine_contingencies_and_factor(state_of) -> None:
    option = {"kind": "option", "underlying": "BTC", "strike": 60_000.0, "days": 30.0, "forward": 50_000.0, "vol": 0.5,
              "mark": 0.01, "inverse": True}  # fmt: skip
    items = [
        {"kind": "perpetual", "underlying": "BTC", "mark": 50_000.0, "inverse": True},
        option,
        {**option, "right": "put"},
    ]
    state = state_of(items, index={"BTC": 50_000.0})
    legacy = DeribitPortfolio("legacy")
    need = legacy.requirement(state, np.array([-100_000.0, -3.0, 1.0]), np.zeros(0))
    assert need.initial == pytest.approx(1.2 * need.maintenance)
    assert need.breakdown["BTC futures contingency"] == pytest.approx(0.006 * 2.0 * 50_000.0)
    assert need.breakdown["BTC short options"] == pytest.approx(0.01 * 2.0 * 50_000.0)  # 3 short less 1 long at the strike
    (grid,) = legacy.grids(state)
    assert sorted(set(np.round(grid.moves, 12))) == pytest.approx([0.03 * k for k in range(-5, 6)])
    high, _ = shocked_vols(legacy.parameters("BTC"), legacy.shared, np.array([0.6]), np.array([30.0]))
    assert high[0] == pytest.approx(0.87)  # white-paper deck: 60 vol becomes 87


def test_unknown_currency_and_version() -> None:
    with pytest.raises(InputError, match="no portfolio margin parameters for DOGE"):
        DeribitPortfolio().parameters("DOGE")
    with pytest.raises(InputError, match="current or legacy"):
        DeribitPortfolio("2019")
