"""Every kind of bad input is refused with one clear line, the right exit code, and nothing written."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hedgeopt.cli import main
from hedgeopt.errors import InputError
from hedgeopt.example import example_files
from hedgeopt.inputs.chain.reader import read_market

POLICY = """
max_quote_age_seconds = 600
[[minimize]]
term = { kind = "transaction_cost" }
[[subject_to]]
kind = "limit"
term = { kind = "delta", underlying = "BTC" }
lower = -2.0
upper = 2.0
[scenarios]
kind = "parametric"
count = 50
"""
OPTION = "BTC-27MAR26-92000-C"


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {**example_files(), "policy.toml": POLICY}


class Case:
    """Input files that a test spoils, and the run that must refuse them."""

    def __init__(self, folder: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.paths = {name.split(".")[0]: folder / name for name in texts}
        for name, text in texts.items():
            (folder / name).write_text(text)

    def market(self, change: Callable[[pd.DataFrame], pd.DataFrame | None], where: str = OPTION) -> None:
        path = self.paths["market"]
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("instrument_name", drop=False)
        assert where in frame.index
        changed = change(frame)
        (frame if changed is None else changed).to_csv(path, index=False)

    def set(self, column: str, value: object, row: str = OPTION) -> None:
        def change(frame: pd.DataFrame) -> None:
            frame.loc[row, column] = value

        self.market(change, row)

    def spoil(self, column: str, value: object) -> None:
        """A tenth of the rows."""

        def change(frame: pd.DataFrame) -> None:
            frame.loc[frame.index[: len(frame) // 10], column] = value

        self.market(change)

    def book(self, change: Callable[[dict], object]) -> None:
        data = json.loads(self.paths["book"].read_text())
        change(data)
        self.paths["book"].write_text(json.dumps(data))

    def policy(self, text: str) -> None:
        self.paths["policy"].write_text(text)

    def refused(self, *words: str, code: int = 2, more: tuple[str, ...] = ()) -> str:
        """Run; demand the exit code, one line with these words, an empty stdout and no output folder."""
        inputs = [f"--{name}={path}" for name, path in self.paths.items()]
        out = self.folder / "out"
        assert main(["solve", *inputs, "--json", f"--out={out}", *more]) == code
        captured = self.capsys.readouterr()
        if code == 3:  # the violations are an answer
            assert json.loads(captured.out)["status"] == "infeasible"
        else:
            assert captured.out == ""
        assert not out.exists()
        line = captured.err
        assert line.startswith("hedgeopt: ")
        assert all(one.startswith("hedgeopt: ") for one in line.splitlines())
        assert line.count("\n") == 1 or code == 3  # what holds an infeasible program back is a line of its own
        assert len(line) < 700
        assert "Traceback" not in line
        assert "unexpected" not in line
        for word in words:
            assert word in line, line
        return line


@pytest.fixture
def case(tmp_path, texts, capsys) -> Case:
    return Case(tmp_path, texts, capsys)


@pytest.mark.parametrize(
    "column", ["timestamp", "bid_price", "mark_iv", "underlying_price", "index_price", "instrument_name"]
)
def test_missing_column(case, column):
    case.market(lambda frame: frame.drop(columns=column))
    case.refused("market.csv", column, "missing")


def test_unknown_instrument(case):
    case.book(lambda book: book["accounts"][0]["positions"][0].update(instrument="BTC-27MAR26-92001-C"))
    case.refused("unknown instrument", "BTC-27MAR26-92001-C", "nearest", "92000")


def test_name_of_no_known_form(case):
    case.spoil("instrument_name", "BTC:27MAR26")
    case.refused("market.csv", "instrument_name", "BTC:27MAR26")


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("mark_price", "", "missing"),
        ("mark_price", "NaN", "missing"),
        ("mark_price", "-0.01", "negative"),
        ("mark_price", "inf", "finite"),
        ("mark_price", "cheap", "not a number"),
        ("bid_price", "-0.0001", "negative"),
        ("ask_price", "-0.0001", "negative"),
        ("bid_price", "0.9", "crossed"),
        ("mark_iv", "", "must be positive"),
        ("mark_iv", "0", "must be positive"),
        ("underlying_price", "-90000", "negative"),
        ("open_interest", "-1", "negative"),
        ("timestamp", "", "not a date"),
        ("timestamp", "yesterday", "not a date"),
        ("option_type", "put", "contradicts"),
        ("strike", "91000", "contradicts"),
        ("expiry", "2026-03-28T08:00:00+00:00", "contradicts"),
        ("currency", "", "empty"),
        ("currency", "DOGE", "unknown currency"),
    ],
)
def test_bad_cell(case, column, value, word):
    case.spoil(column, value)
    case.refused("market.csv", column, word)


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("mark_price", "", "missing"),
        ("mark_price", "cheap", "not a number"),
        ("ask_price", "-0.0001", "negative"),
        ("bid_price", "0.9", "crossed"),
        ("mark_iv", "0", "must be positive"),
        ("strike", "91000", "contradicts"),
        ("currency", "DOGE", "unknown currency"),
        ("timestamp", "yesterday", "not a date"),
    ],
)
def test_one_bad_row_is_set_aside_and_a_position_in_it_is_refused(case, column, value, word):
    case.set(column, value)
    market = read_market(case.paths["market"])
    (note,) = [note for note in market.notes if "set aside" in note]
    assert note.startswith("1 of 296 rows is set aside")
    assert OPTION in note
    assert column in note
    assert word in note
    assert f"deribit:{OPTION}" not in market.instruments
    with pytest.raises(InputError, match=rf"set aside.*{column}.*{word}"):
        market.instrument("deribit", OPTION)
    case.book(lambda book: book["accounts"][0]["positions"][0].update(instrument=OPTION))
    case.refused("set aside", column, word, OPTION)


def test_bad_index_price(case):
    case.set("index_price", "-5")
    case.refused("market.csv", "index_price", "must be positive")


def test_currency_without_index(case):
    case.market(lambda frame: frame.assign(index_price=frame["index_price"].where(frame["currency"] != "ETH", "")))
    case.refused("market.csv", "index_price", "ETH")


def test_expired_option(case):
    def expire(frame: pd.DataFrame) -> None:
        frame.loc[OPTION, ["instrument_name", "expiry"]] = ["BTC-6MAR26-92000-C", "2026-03-06T08:00:00+00:00"]

    case.market(expire)
    market = read_market(case.paths["market"])
    assert any("BTC-6MAR26-92000-C" in note and "expired" in note for note in market.notes)
    assert not any("6MAR26" in name for name in market.instruments if "26MAR26" not in name and "-6MAR26" in name)


def test_the_same_instrument_twice_in_the_market(case):
    case.market(lambda frame: pd.concat([frame, frame.loc[[OPTION]]]))
    market = read_market(case.paths["market"])
    assert len(market) == 296
    assert any("repeats another" in note and OPTION in note for note in market.notes)
    case.market(lambda frame: frame[~frame.index.duplicated()])
    case.market(lambda frame: pd.concat([frame, frame.loc[[OPTION]].assign(mark_price="0.02")]))
    case.refused("market.csv", OPTION, "more than once")


def test_duplicate_position(case):
    case.book(lambda book: book["accounts"][0]["positions"].append(book["accounts"][0]["positions"][0]))
    case.refused("book.json", "twice", "merge")


def test_duplicate_account(case):
    case.book(lambda book: book["accounts"].append(book["accounts"][0]))
    case.refused("book.json", "account", "twice")


def test_unknown_currency_of_collateral(case):
    case.book(lambda book: book["accounts"][0]["collateral"].append({"asset": "DOGE", "amount": 1.0}))
    case.refused("DOGE", "price")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_non_finite_quantity(case, text):
    path = case.paths["book"]
    case.book(lambda book: book["accounts"][0]["positions"][0].update(quantity=123.25))
    path.write_text(path.read_text().replace("123.25", text))
    case.refused("book.json", "finite")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda book: book.pop("accounts"), ("accounts", "is missing")),
        (lambda book: book.update(accounts=[]), ("accounts",)),
        (lambda book: book.update(colour="red"), ("colour",)),
        (lambda book: book["accounts"][0].pop("venue"), ("accounts.0.venue",)),
        (lambda book: book["accounts"][0]["positions"][0].update(quantity="many"), ("quantity", "many")),
        (lambda book: book["accounts"][0]["positions"][0].pop("quantity"), ("quantity", "is missing")),
        (lambda book: book.update(timestamp="2026-03-06T10:00:00"), ("timestamp", "time zone")),
        (lambda book: book["accounts"][0].update(venue="binance"), ("binance", "deribit")),
        (lambda book: book["accounts"][0]["positions"][0].update(instrument={"kind": "teapot"}), ("teapot",)),
    ],
)
def test_bad_book(case, change, words):
    case.book(change)
    case.refused(*words)


def test_book_that_is_a_list(case):
    case.paths["book"].write_text("[1, 2]")
    case.refused("book.json")


def test_key_twice(case):
    case.paths["book"].write_text('{"name": "a", "name": "b", "accounts": []}')
    case.refused("book.json", "name", "twice")


@pytest.mark.parametrize("text", ['{"a": ' * 100_000, "[" * 100_000], ids=["objects", "lists"])
def test_nested_without_end(case, text):
    case.paths["book"].write_text(text)
    case.refused("book.json")


def test_empty_candidates(case):
    case.policy(POLICY.replace("[scenarios]", '[candidates]\nnames = ["DOGE-*"]\n[scenarios]'))
    case.refused("candidates", "names", "DOGE-*", "matches no instrument", "296 in all")


def test_limit_with_its_sides_crossed(case):
    case.policy(POLICY.replace("lower = -2.0", "lower = 7.0"))
    case.refused("policy.toml", "delta BTC", "above")


def test_contradictory_limits_say_which(case):
    low = '[[subject_to]]\nkind = "limit"\nterm = { kind = "delta", underlying = "BTC" }\nlower = 40.0\n[scenarios]'
    case.policy(POLICY.replace("[scenarios]", low))
    case.refused("closest trades", "delta BTC", code=3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("transaction_cost", "wishful_thinking", ("minimize", "wishful_thinking")),
        ('underlying = "BTC"', 'underlying = "DOGE"', ("DOGE", "BTC")),
        (
            '{ kind = "delta", underlying = "BTC" }',
            '{ kind = "stress_loss", scenario = "2031-01-01" }',
            ("2031-01-01", "2020-03-12"),
        ),
        (
            '{ kind = "delta", underlying = "BTC" }\nlower = -2.0',
            '{ kind = "margin", venue = "kraken" }',
            ("kraken", "deribit"),
        ),
        ('{ kind = "delta", underlying = "BTC" }', '{ kind = "cvar", beta = 1.5 }', ("beta", "1.5")),
        ("lower = -2.0", "lower = nan", ("finite",)),
        ("count = 50", "count = 0", ("count",)),
        ("count = 50", "count = 50\ncolour = 3", ("colour",)),
        ('kind = "parametric"', 'kind = "tea_leaves"', ("scenarios", "tea_leaves")),
        ('kind = "parametric"', 'kind = "historical"\nprices = "nowhere.csv"', ("nowhere.csv", "not found")),
        ("max_quote_age_seconds = 600", "max_quote_age_seconds = -1", ("max_quote_age_seconds",)),
        ("[[minimize]]\nterm = { kind", "[[maximize]]\nterm = { kind", ("minimize", "is missing")),
    ],
)
def test_bad_policy(case, old, new, words):
    assert old in POLICY
    case.policy(POLICY.replace(old, new))
    case.refused(*words)


def test_stale_quotes(case):
    case.refused("old", "600", "max_quote_age_seconds", more=("--as-of=2026-03-06T10:10:01Z",))


def test_one_stale_quote(case):
    case.set("timestamp", "2026-03-06T09:00:00+00:00")
    case.book(lambda book: book["accounts"][0]["positions"].append({"instrument": OPTION, "quantity": 1.0}))
    case.refused("3,600 s", "timestamp", OPTION)


def test_quotes_from_the_future(case):
    case.refused("after the moment of decision", more=("--as-of=2026-03-06T08:00:00Z",))


@pytest.mark.parametrize("option", ["--as-of", "--at"])
def test_moment_that_is_none(case, option):
    case.refused("noon-ish", "date and time", more=(f"{option}=noon-ish",))


def test_no_snapshot_so_early(case):
    case.refused("market.csv", "no snapshot", more=("--at=2020-01-01T00:00:00Z",))


def test_several_snapshots_need_a_choice(case):
    case.market(lambda frame: pd.concat([frame, frame.assign(timestamp="2026-03-06T11:00:00+00:00")]))
    case.refused("market.csv", "2 snapshots", "--at")


@pytest.mark.parametrize("name", ["book", "market", "policy"])
@pytest.mark.parametrize("what", ["missing", "empty", "folder", "no rights"])
def test_file_that_cannot_be_read(case, name, what, monkeypatch):
    path = case.paths[name]
    path.unlink()
    if what == "empty":
        path.touch()
    elif what == "folder":
        path.mkdir()
    elif what == "no rights":
        path.touch()
        real = Path.stat

        def stat(self: Path, **options: bool) -> object:
            if self == path:
                raise PermissionError(13, "Permission denied", str(path))
            return real(self, **options)

        monkeypatch.setattr(Path, "stat", stat)
    case.refused(path.name)


def test_header_without_rows(case):
    case.market(lambda frame: frame.iloc[:0])
    case.refused("market.csv", "no rows")


def test_unknown_kind_of_file(case):
    path = case.folder / "market.xlsx"
    case.paths["market"].rename(path)
    case.paths["market"] = path
    case.refused("market.xlsx", ".parquet")


def test_marks_alone_are_no_market(case):
    case.paths["market"].write_text(
        "obs_datetime,coin,instrument_name,perp_futures_mark_price\n2026-03-06T10:00:00+00:00,BTC,BTC-PERPETUAL,92000\n"
    )
    case.refused("market.csv", "no chain")


def parquet_bytes(text: str) -> bytes:
    buffer = io.BytesIO()
    pd.read_csv(io.StringIO(text)).to_parquet(buffer)
    return buffer.getvalue()


def content(name: str, texts: dict[str, str]) -> bytes:
    return parquet_bytes(texts["market.csv"]) if name.endswith(".parquet") else texts[name].encode()


KINDS = ["market.csv", "market.parquet", "book.json", "policy.toml"]


def replace(case: Case, name: str, data: bytes) -> None:
    path = case.folder / name
    path.write_bytes(data)
    case.paths[name.split(".")[0]] = path


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97, 0.9999])
@pytest.mark.parametrize("name", KINDS)
def test_truncated_file(case, texts, name, share):
    data = content(name, texts).rstrip(b"\n")
    cut = data[: max(int(len(data) * share), 1)]
    if name == "policy.toml":
        cut = cut.rstrip().rstrip(b"0123456789") if share > 0.9 else cut[: cut.rfind(b"=") + 1] or cut
    if name == "market.csv":
        cut = cut[: cut.rfind(b",")] if share > 0.02 else cut
        cut = cut[: cut.rfind(b"\n") + 30]
    replace(case, name, cut)
    case.refused(name)


@pytest.mark.parametrize("garbage", ["bytes", "letters", "commas", "brackets"])
@pytest.mark.parametrize("name", KINDS)
def test_ten_megabytes_of_garbage(case, name, garbage):
    rng = random.Random(name + garbage)
    size = 10 * 2**20
    if garbage == "bytes":
        data = rng.randbytes(size)
    elif garbage == "letters":
        data = b"lorem ipsum dolor sit amet " * (size // 27)
    elif garbage == "commas":
        data = b",".join(b"%d" % rng.randrange(10) for _ in range(100)) + b"\n"
        data *= size // len(data)
    else:
        data = b"[{" * (size // 2)
    replace(case, name, data)
    case.refused(name)


@pytest.mark.parametrize("seed", range(12))
def test_parquet_with_broken_bytes(case, texts, seed):
    """Flipped bytes may by chance leave the table readable; if not, the usual single line."""
    rng = random.Random(seed)
    data = bytearray(content("market.parquet", texts))
    for _ in range(40):
        data[rng.randrange(len(data))] = rng.randrange(256)
    replace(case, "market.parquet", bytes(data))
    code = main(["check", f"--market={case.paths['market']}"])
    captured = case.capsys.readouterr()
    assert code in (0, 2)
    if code == 2:
        assert captured.err.count("\n") == 1
        assert "market.parquet" in captured.err


@pytest.mark.parametrize("text", ['[minimize]\nkind = "cvar"\nbeta = 0.99\n', "minimize = 3\n"])
def test_one_table_where_a_list_belongs(case, text):
    case.policy(text)
    case.refused("policy.toml", "minimize", "must be a list", "[[minimize]]")
