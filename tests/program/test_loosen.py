"""What an infeasible program says: which limits, by how much, and numbers that do. The numbers are solved with here."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.program.loosen import _in_steps, _third_digit, rounded_outwards

FIX = re.compile(r"(?:raise|lower) (.+?) from (\S+) to (\S+?)(?: of equity)? or (?:more|less)")
FILES = ho.example_files()
LIMITS = {  # what is asked of the toy book beside small orders, which it cannot reach
    "greek from below": [ho.Gamma("BTC") >= 5.0],
    "greek from above": [ho.Vega("BTC") <= -50_000_000.0],
    "convex": [ho.CVaR(0.9) <= 10.0],
    "ratio": [ho.GrossLeverage() <= 1e-3],
    "margin": [ho.Margin("deribit") <= 1e-3],
    "against each other": [ho.Delta("BTC") <= -500.0, ho.Delta("BTC") >= 400.0],
    "four": [ho.Gamma("BTC") >= 5.0, ho.Vega("BTC") <= -5e6, ho.CVaR(0.9) <= 10.0, ho.TransactionCost() <= 1e-3],
}


def toy(*limits: ho.Limit) -> ho.Policy:
    scenarios = ho.ParametricScenarios(count=60, seed=3)
    order = ho.OrderLimit(notional=1e4)
    return ho.Policy(minimize=ho.TransactionCost(), subject_to=[order, *limits], scenarios=scenarios, lots="ideal")


def refused(policy: ho.Policy, book: ho.Book, market: ho.Market) -> ho.InfeasibleError:
    with pytest.raises(ho.InfeasibleError) as caught:
        policy.propose(book, market)
    return caught.value


def told(error: ho.InfeasibleError) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def loosened(limits: list[ho.Limit], words: str) -> list[ho.Limit]:
    """The limits with the numbers of the message in place of theirs."""
    numbers = {now.replace(",", ""): float(to.replace(",", "")) for _, now, to in FIX.findall(words)}
    found = []
    for limit in limits:
        ends = {}
        for end in ("lower", "upper"):
            now = getattr(limit, end)
            ends[end] = now if now is None else next((to for at, to in numbers.items() if float(at) == now), now)
        found.append(limit.model_copy(update=ends))
    return found


@pytest.mark.parametrize("case", list(LIMITS))
def test_the_numbers_that_are_proposed_work(case: str, toy_book: ho.Book, toy_market: ho.Market) -> None:
    limits = LIMITS[case]
    error = refused(toy(*limits), toy_book, toy_market)
    line, words = str(error), told(error)
    assert "\n" not in line
    assert not re.search(r"\de[+-]?\d", words), words  # numbers as people write them
    assert FIX.search(words), words
    assert "then trades meet every limit" in words
    answer = toy(*loosened(limits, words)).propose(toy_book, toy_market)
    assert answer.certificate.valid
    for name, (value, limit, unit) in error.violations.items():
        assert name in line
        assert unit in words
        assert abs(value - limit) > 0


def test_one_limit_alone_is_missed_by_the_least(toy_book: ho.Book, toy_market: ho.Market) -> None:
    """Half of the room that is asked for is not enough."""
    limit = ho.CVaR(0.9) <= 10.0
    ((_, now, to),) = FIX.findall(told(refused(toy(limit), toy_book, toy_market)))
    low, high = float(now.replace(",", "")), float(to.replace(",", ""))
    refused(toy(ho.CVaR(0.9) <= low + 0.95 * (high - low)), toy_book, toy_market)


def test_what_holds_it_back_is_named(toy_book: ho.Book, toy_market: ho.Market) -> None:
    error = refused(toy(ho.CVaR(0.9) <= 10.0, ho.TransactionCost() <= 1e5), toy_book, toy_market)
    assert "order limit" in told(error)
    assert "more candidates" in told(error)


def test_margin_tells_the_collateral_that_would_do() -> None:
    market, book = ho.read_market(io.StringIO(FILES["market.csv"])), ho.read_book(io.StringIO(FILES["book.json"]))
    base = ho.Policy(minimize=ho.TransactionCost(), scenarios=ho.ParametricScenarios(count=60, seed=3), lots="ideal")
    tight = [ho.Margin("deribit") <= 0.2, ho.OrderLimit(notional=1e3)]
    policy = base.model_copy(update={"subject_to": tuple(tight)})
    words = told(refused(policy, book, market))
    amount = float(re.search(r"post at least ([\d,]+) USD of collateral", words)[1].replace(",", ""))
    (account,) = book.accounts
    for share, fits in ((1.01, True), (0.95, False)):
        cash = ho.Collateral(asset="USDC", amount=share * amount)
        richer = account.model_copy(update={"collateral": (*account.collateral, cash)})
        more = book.model_copy(update={"accounts": (richer,)})
        if fits:
            assert policy.propose(more, market).certificate.valid
        else:
            refused(policy, more, market)


@pytest.mark.parametrize(
    ("value", "limit", "sign", "text"),
    [
        (448_246.2, 300_000.0, 1, "449,000"),
        (-15_886_600.0, -6_000.0, -1, "-16,000,000"),
        (-0.0008512, -0.0006, -1, "-0.000852"),
        (-6_000.0, -50_000_000.0, 1, "-5,900"),
        (0.0, -30.0, 1, "0.0001"),
    ],
)
def test_a_number_is_rounded_to_the_side_that_helps(value: float, limit: float, sign: int, text: str) -> None:
    needed = rounded_outwards(value, limit, sign)
    assert sign * needed > sign * value
    assert _in_steps(needed, _third_digit(value, limit)) == text


def test_the_terminal_gets_one_line_first_and_scripts_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name in ("book.json", "market.csv"):
        paths.append(tmp_path / name)
        paths[-1].write_text(FILES[name], encoding="utf-8")
    rules = ho.Policy(minimize=ho.TransactionCost(), subject_to=LIMITS["four"], lots="ideal")
    (tmp_path / "policy.toml").write_text(rules.to_toml(), encoding="utf-8")
    given = ["--book", str(paths[0]), "--market", str(paths[1]), "--policy", str(tmp_path / "policy.toml")]
    assert main(["solve", *given, "--scenarios", "60", "--json"]) == 3
    out, err = capsys.readouterr()
    data, lines = json.loads(out), err.splitlines()
    assert lines == [f"hedgeopt: {line}" for line in (data["message"], *data["details"])]
    assert lines[0].startswith("hedgeopt: no trade list meets every limit: ")
