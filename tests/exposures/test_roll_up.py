"""Several books of one firm: added up, told apart by tags, and one strategy hedged under the limits of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hedgeopt as ho
from hedgeopt.cli import main
from hedgeopt.example import example_files
from hedgeopt.exposures.expose import expose


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in example_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    one = json.loads((tmp_path / "book.json").read_text(encoding="utf-8"))
    for name, times in (("vol", 1.0), ("basis", 0.5)):
        book = {**one, "name": name}
        book["accounts"] = [
            {**a, "tags": ["desk 2"] if name == "basis" else [],
             "positions": [{**p, "quantity": p["quantity"] * times} for p in a["positions"]]}
            for a in one["accounts"]
        ]  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(book), encoding="utf-8")
    (tmp_path / "firm.json").write_text('{"name": "firm", "books": ["vol.json", "basis.json"]}', encoding="utf-8")
    return tmp_path


def policy(**more: object) -> ho.Policy:
    return ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.Delta("BTC").within(-20.0, 20.0)],
        scenarios=ho.ParametricScenarios(count=50, vol={"BTC": 0.6, "ETH": 0.7}),
        candidates=ho.Candidates(**more),
        lots="ideal",
    )


def test_the_firm_is_the_sum_of_its_books(folder: Path) -> None:
    market = ho.read_market(folder / "market.csv")
    one, two, firm = (ho.read_book(folder / f"{name}.json") for name in ("vol", "basis", "firm"))
    assert ho.roll_up([one, two]) == firm
    assert [a.name for a in firm.accounts] == [f"{b.name}/{a.name}" for b in (one, two) for a in b.accounts]
    equity = [float(expose(book, market, policy(), trades=False).equity.sum()) for book in (one, two, firm)]
    assert equity[2] == pytest.approx(equity[0] + equity[1])
    table = ho.by_tag(expose(firm, market, policy(), trades=False))
    assert list(table.index) == ["vol", "basis", "desk 2", "all"]
    assert table.loc["vol", "equity"] == pytest.approx(equity[0])
    assert table.loc["desk 2", "delta BTC"] == table.loc["basis", "delta BTC"]
    assert table.loc["vol", "delta BTC"] + table.loc["basis", "delta BTC"] == pytest.approx(table.loc["all", "delta BTC"])


@pytest.mark.parametrize("word", ["basis", "desk 2", "basis/*"])
def test_one_strategy_trades_under_the_limits_of_all(folder: Path, word: str) -> None:
    firm, market = ho.read_book(folder / "firm.json"), ho.read_market(folder / "market.csv")
    proposal = ho.propose(firm, market, policy(trade_in=(word,)))
    assert proposal.certificate.valid
    assert len(proposal.trades)
    assert all(name.startswith("basis/") for name in proposal.trades["account"])
    assert abs(proposal.after.greeks["BTC"]["delta"]) <= 20.0 + 1e-6


def test_slips(folder: Path) -> None:
    firm, market = ho.read_book(folder / "firm.json"), ho.read_market(folder / "market.csv")
    with pytest.raises(ho.InputError, match=r"candidates.trade_in: names no account and no tag.*did you mean 'basis'"):
        ho.propose(firm, market, policy(trade_in=("bassis",)))
    with pytest.raises(ho.InputError, match="two books have this name"):
        ho.roll_up([ho.read_book(folder / "vol.json")] * 2)
    with pytest.raises(ho.InputError, match="is no list of books"):
        ho.read_book({"books": "vol.json"})
    with pytest.raises(ho.InputError, match="holds no book"):
        ho.read_book({"books": []})


def test_the_command_reports_by_tag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--book", str(folder / "firm.json"), "--market", str(folder / "market.csv"), "--json"]
    assert main(["risk", *given]) == 0
    assert [one["tag"] for one in json.loads(capsys.readouterr().out)["risk"]["tags"]] == ["vol", "basis", "desk 2", "all"]
    assert main(["risk", *given[:-1]]) == 0
    told = capsys.readouterr().out
    assert "Tags (equity" in told
    assert all(any(line.split()[:1] == [tag.split()[0]] for line in told.splitlines()) for tag in ("vol", "basis", "desk 2"))


def _dated(folder: Path, **moments: str | None) -> list[Path]:
    paths = []
    for name, moment in moments.items():
        path = folder / f"{name}.json"
        data = json.loads(path.read_text(encoding="utf-8")) | {"timestamp": moment}
        path.write_text(json.dumps(data), encoding="utf-8")
        paths.append(path)
    return paths


def test_books_of_different_moments_are_refused_or_told_by_age(folder: Path) -> None:
    """The firm is of one moment: an old book's equity, beside a new one's, is nobody's."""
    pair = _dated(folder, vol="2026-03-06T10:00:00Z", basis="2026-03-06T09:04:00Z")
    words = r"book 'basis': timestamp: is 56.0 minutes older than 'vol' .*; give books of one moment.*--as-of TIME"
    for given in ((folder / "firm.json",), pair):
        with pytest.raises(ho.InputError, match=words):
            ho.read_book(*given)
        firm = ho.read_book(*given, any_moment=True)
        assert "basis: is of 2026-03-06 09:04 UTC, 56 minutes before vol" in firm.notes
    assert ho.read_book(*_dated(folder, vol="2026-03-06T10:00:00Z", basis="2026-03-06T11:56:00+02:00")).notes == ()
    told = ho.read_book(*_dated(folder, vol="2026-03-06T10:00:00Z", basis=None))
    assert told.notes == ("basis: states no moment, taken to be the firm's",)
    assert ho.read_book(*_dated(folder, vol=None, basis=None)).timestamp is None


def test_no_book_counts_twice_in_a_firm_of_firms(folder: Path) -> None:
    """A desk's book inside its division and beside it would be added twice; a firm that names itself would never end."""
    (folder / "group.json").write_text('{"name": "group", "books": ["firm.json"]}', encoding="utf-8")
    group, firm = ho.read_book(folder / "group.json"), ho.read_book(folder / "firm.json")
    assert [account.name for account in group.accounts] == [f"firm/{account.name}" for account in firm.accounts]
    for names, words in (
        (
            '"firm.json", "vol.json"',
            r"group.json: books: is counted twice in the firm \(got 'vol.json'\)",
        ),
        ('"vol.json", "./vol.json"', "is counted twice in the firm"),
        ('"group.json"', r"group.json: books: names itself"),
    ):
        (folder / "group.json").write_text(f'{{"name": "group", "books": [{names}]}}', encoding="utf-8")
        with pytest.raises(ho.InputError, match=words):
            ho.read_book(folder / "group.json")
