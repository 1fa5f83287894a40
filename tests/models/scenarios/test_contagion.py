"""Clearing vectors of the literature, the cascade against a plain loop, monotonicity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from hedgeopt.errors import InputError
from hedgeopt.models.scenarios.cascade import Cascade, Loan, Sales, cascade_price, read_loans, with_cascade
from hedgeopt.models.scenarios.clearing import Clearing, Liability, Node, clear, clearing_vector, with_clearing
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.sample_settings import ParametricScenarios
from hedgeopt.models.scenarios.set import ScenarioSet

A_TO_B = np.array([[0.0, 100.0], [0.0, 0.0]])
MUTUAL = np.array([[0.0, 100.0], [100.0, 0.0]])
CHAIN = np.array([[0.0, 100.0, 0.0], [0.0, 0.0, 100.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("owed", "assets", "paid"),
    [
        (A_TO_B, (150, 0), (100, 0)),
        (A_TO_B, (40, 0), (40, 0)),
        (MUTUAL, (0, 0), (100, 100)),  # (0, 0) is a fixed point too: the greatest is wanted
        (CHAIN, (20, 90, 0), (20, 100, 0)),
    ],
)
def test_clearing_vectors_of_the_literature(owed, assets, paid):
    np.testing.assert_allclose(clearing_vector(owed, np.zeros(len(owed)), np.array(assets, float)), paid, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_clearing_is_the_linear_program_of_eisenberg_and_noe(seed, n):
    """max 1'p subject to p <= p_bar and p <= e + Pi'p."""
    rng = np.random.default_rng(seed)
    owed = rng.uniform(0, 100, (n, n)) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(owed, 0)
    outside, assets = rng.uniform(0, 50, n), rng.uniform(0, 60, n)
    full = owed.sum(axis=1) + outside
    share = owed / full[:, None]
    answer = linprog(-np.ones(n), A_ub=np.eye(n) - share.T, b_ub=assets, bounds=list(zip(np.zeros(n), full, strict=True)))
    paid = clearing_vector(owed, outside, assets)
    np.testing.assert_allclose(paid, answer.x, atol=1e-6)
    richer = clearing_vector(owed, outside, assets + rng.uniform(0, 20, n))
    assert (richer >= paid - 1e-9).all()


def test_clearing_refuses_negative_input():
    with pytest.raises(InputError, match="must not be negative"):
        clearing_vector(A_TO_B, np.zeros(2), np.array([-1.0, 0.0]))


NETWORK = Clearing(
    nodes=(
        Node(name="fund", cash=1e6, holdings={"BTC": 100}),
        Node(name="deribit", cash=5e6),
    ),
    liabilities=(
        Liability(debtor="fund", creditor="deribit", amount=6e6),
        Liability(debtor="deribit", amount=10e6),
    ),
)


def test_a_fund_that_fails_takes_its_venue_with_it_where_prices_fall():
    prices = np.array([60_000.0, 50_000.0, 30_000.0])
    done = clear(NETWORK, {"BTC": prices})
    # fund pays min(6m, 1m + 100 P); deribit min(10m, 5m + that)
    np.testing.assert_allclose(done.recovery, [[1, 1], [1, 1], [4 / 6, 0.9]])
    assert (done.price_factor == 1).all()


def test_fire_sales_of_shared_collateral_solve_their_equation():
    network = NETWORK.model_copy(update={"reserves": {"BTC": 2_000.0}})
    done = clear(network, {"BTC": np.array([60_000.0, 51_000.0])})
    for price, q in zip((60_000.0, 51_000.0), done.price_factor[:, 0], strict=True):
        units = min(100.0, (6e6 - 1e6) / (price * q))
        assert q == pytest.approx((2_000 / (2_000 + units)) ** 2, rel=1e-9)
    assert done.recovery[1, 0] < 1  # 51,000 covers the debt at the old price and not at the pushed one
    s = ScenarioSet("x", ("BTC",), np.array([[1.0], [0.85]]), np.zeros((2, 1)), 1.0)
    hit = with_clearing(s, network, {"BTC": 60_000.0}, vol_beta=-0.8)
    assert (hit.spot_factor < s.spot_factor).all()
    np.testing.assert_allclose(hit.log_vol_shift, -0.8 * np.log(hit.spot_factor / s.spot_factor))
    assert hit.recovery["fund"][1] < 1
    assert "fund fails in 50 % of scenarios" in hit.notes[0]


def test_network_names_are_checked():
    with pytest.raises(ValueError, match="names no node"):
        Clearing(nodes=(Node(name="a"),), liabilities=(Liability(debtor="b", amount=1),))


def plain_sales(loans, price):
    """Units sold, straight from the rules of Aave v3: health below 1 and close factors."""
    total = 0.0
    for loan in loans:
        health = loan.collateral * price * loan.threshold / loan.debt if loan.debt else np.inf
        if health >= 1:
            continue
        repaid = loan.debt * (loan.close_factor if health > 0.95 else 1.0)
        total += min(repaid * (1 + loan.bonus) / price, loan.collateral)
    return total


loans_ = st.lists(
    st.builds(
        Loan,
        collateral=st.floats(1, 1000),
        debt=st.floats(1, 1_500_000),
        threshold=st.floats(0.5, 0.95),
        bonus=st.floats(0, 0.2),
        close_factor=st.floats(0.2, 1),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(loans_, st.floats(300, 3_000))
def test_sales_are_those_of_the_rules_and_grow_as_prices_fall(loans, price):
    sales = Sales.of(tuple(loans))
    assert sales(np.array([price]))[0] == pytest.approx(plain_sales(loans, price), rel=1e-9, abs=1e-9)
    grid = np.linspace(100, 3_000, 400)
    assert (np.diff(sales(grid)) <= 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(loans_, st.floats(300, 3_000), st.floats(200, 50_000))
def test_cascade_stops_at_the_greatest_fixed_point(loans, price, reserve):
    sales = Sales.of(tuple(loans))
    end = cascade_price(np.array([price]), np.array([reserve]), sales)[0]

    def pushed(p):
        return price * (reserve / (reserve + plain_sales(loans, p))) ** 2

    assert end <= price
    # a discontinuity of the rules may sit at the fixed point: from just below it must not lie above the map
    assert pushed(end * (1 - 1e-9)) <= end * (1 + 1e-6)
    for p in np.linspace(end * 1.001, price, 50):
        if p > end * 1.0005:
            assert pushed(p) < p * (1 + 1e-9)  # no fixed point between: the price does not rest above the end
    lower = cascade_price(np.array([price * 0.97]), np.array([reserve]), sales)[0]
    assert lower <= end * (1 + 1e-9)  # monotone in the base scenario
    deeper = cascade_price(np.array([price]), np.array([reserve * 2]), sales)[0]
    assert deeper >= end * (1 - 1e-9)  # and in depth


def test_one_loan_in_closed_form():
    """Health 0.99, close factor a half: p = P (x / (x + c/p))^2 with c = B/2 * 1.05, a quadratic in p."""
    loan = Loan(collateral=100, debt=100 * 990 * 0.8 / 0.98, threshold=0.8, bonus=0.05)
    price, reserve, c = 990.0, 10_000.0, loan.debt / 2 * 1.05
    # sqrt(p/P) = x p / (x p + c); with y = sqrt p: x y^2 + c = x sqrt(P) y
    y = (np.sqrt(price) + np.sqrt(price - 4 * c / reserve)) / 2
    end = cascade_price(np.array([price]), np.array([reserve]), Sales.of((loan,)))[0]
    assert end == pytest.approx(y**2, rel=1e-10)


def test_cascade_fattens_the_left_tail_only(market, tmp_path):
    base = draw(ParametricScenarios(count=5_000), ["BTC", "ETH"], market)
    (tmp_path / "loans.csv").write_text("collateral,debt,threshold\n100000,230000000,0.83\n50000,100000000,0.8\n")
    cascade = Cascade(asset="ETH", loans_file=str(tmp_path / "loans.csv"), reserve=1e6, spill={"BTC": 0.5})
    s = with_cascade(base, cascade, 3_000.0, -0.8)
    push = s.spot_factor[:, 1] / base.spot_factor[:, 1]
    safe = base.spot_factor[:, 1] * 3_000 * 0.83 * 100_000 >= 230e6
    assert (push[safe] == 1).all()
    assert (push[~safe] < 1).all()
    np.testing.assert_allclose(s.spot_factor[:, 0] / base.spot_factor[:, 0], push**0.5)
    r0, r1 = np.log(base.spot_factor[:, 1]), np.log(s.spot_factor[:, 1])
    assert ((r1 - r1.mean()) ** 3).mean() / r1.std() ** 3 < ((r0 - r0.mean()) ** 3).mean() / r0.std() ** 3
    assert "liquidation cascade in ETH" in s.notes[0]
    thin = replace(base, liquidity={"depth": np.full(5_000, 0.1)})
    assert (with_cascade(thin, cascade, 3_000.0, -0.8).spot_factor[:, 1] <= s.spot_factor[:, 1]).all()


def test_bad_loans_are_named(tmp_path):
    path = tmp_path / "loans.csv"
    path.write_text("collateral,debt,threshold\n10,100,0.8\n-1,100,0.8\n")
    with pytest.raises(InputError, match=r"loans.csv: line 3: collateral"):
        read_loans(path)
    with pytest.raises(InputError, match="not found"):
        read_loans(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="needs loans or loans_file"):
        Cascade(asset="ETH", reserve=1)
