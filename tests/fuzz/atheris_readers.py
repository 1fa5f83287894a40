"""Coverage-guided fuzzing of what reads files and names: ``python tests/fuzz/atheris_readers.py READER [SECONDS]``.

Needs atheris, which is not in the lock of ``make test``; ``all`` as READER takes one after another. Whatever a reader
meets, it returns or raises :class:`~hedgeopt.errors.InputError` with one line. Inputs that fail are written to the working
folder by libFuzzer (``crash-*``): add them to CORPUS of test_hostile_inputs.py or to test_table_file.py, and mend them.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(tempfile.mkdtemp(prefix="hedgeopt-fuzz-"))


def _seeds() -> dict[str, bytes]:
    from hedgeopt.example import example_files

    files = {name: text.encode() for name, text in example_files().items()}
    market = b"\n".join(files["market.csv"].split(b"\n")[:6]) + b"\n"
    table = b'[margin]\ntype = "tiers"\n[margin.initial]\n"*" = [[0, 0.1]]\n[margin.maintenance]\n"*" = [[0, 0.05]]\n'
    stress = b"[[event]]\nname = 'x'\nspot = { BTC = -0.1, '*' = { value = -0.2, source = 'here' } }\n"
    backtest = (
        b'name = "x"\n[replay]\nchains = ["chain.parquet"]\nstart = 2026-01-01T00:00:00Z\nfunding = { BTC = 0.0001 }\n'
    )
    backtest += b'[[books]]\nkind = "short_gamma"\ncollateral = { BTC = 20.0 }\nquantity = { BTC = 2.0 }\n'
    backtest += b'[[policies]]\nkind = "delta_band"\nband = { BTC = 0.5 }\n[costs]\nmark_half_spread = 0.0001\n'
    sweep = b'method = "random"\ncount = 3\n[backtest]\nname = "x"\nbooks = [{ kind = "short_gamma" }]\n'
    sweep += b'[vary]\n"books.0.kind" = [1.5, "x"]\n"replay.window" = { low = 0.1, high = 1.0, log = true }\n'
    stored = json.dumps(
        {"proof": {"added_constraints": 0}, "created": "2026-03-06", "trades": [], "certificate": {}}
    ).encode()
    history = b"timestamp,BTC\n2026-01-01T00:00:00Z,80000\n2026-01-02T00:00:00Z,81000\n"
    return {
        "market": market,
        "book": files["book.json"][:3000],
        "policy": files["policy.toml"],
        "margin": table,
        "stress": stress,
        "history": history,
        "parquet": _as_parquet(market),
        "backtest": backtest,
        "sweep": sweep,
        "proposal": stored,
        "name": b"BTC-27MAR26-90000-C",
    }


def _as_parquet(rows: bytes) -> bytes:
    import pandas as pd

    stored = io.BytesIO()
    pd.read_csv(io.BytesIO(rows), parse_dates=["timestamp", "expiry"]).to_parquet(stored)
    return stored.getvalue()


def readers() -> dict[str, Callable[[Path, str], Any]]:
    """By name, what reads a path (or for ``name`` the text itself)."""
    from hedgeopt.backtest.settings import read_config
    from hedgeopt.backtest.sweep.plan import read_plan
    from hedgeopt.inputs.book_file import read_book
    from hedgeopt.inputs.chain.reader import read_market
    from hedgeopt.inputs.policy import read_policy
    from hedgeopt.models.margin.rules import margin_model
    from hedgeopt.models.scenarios.history import read_prices
    from hedgeopt.models.scenarios.stress_table import read_stress
    from hedgeopt.venues.deribit.names import parse_name
    from hedgeopt.verify.claim import read_claim

    return {
        "market": lambda path, _: read_market(path),
        "book": lambda path, _: read_book(path),
        "policy": lambda path, _: read_policy(path),
        "margin": lambda path, _: margin_model(f"table:{path}", "here"),
        "stress": lambda path, _: read_stress(path),
        "history": lambda path, _: read_prices(path, ["BTC"]),
        "parquet": lambda path, _: read_market(path),
        "backtest": lambda path, _: [policy.build() for policy in read_config(path).policies],
        "sweep": lambda path, _: read_plan(path).cells(path.parent),
        "proposal": lambda path, _: read_claim(path),
        "name": lambda _, text: parse_name(text),
    }


ENDINGS = {"market": "csv", "book": "json", "history": "csv", "parquet": "parquet", "proposal": "json"}


def fuzz(reader: str, seconds: int) -> None:
    """Fuzz one reader in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["hedgeopt", "tomllib", "json"]):
        read = readers()[reader]
    from hedgeopt.errors import InputError

    path = FOLDER / f"input.{ENDINGS.get(reader, 'toml')}"
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    (seeds / "one").write_bytes(_seeds()[reader])
    warnings.simplefilter("ignore")

    def one(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path, data.decode("utf-8", "replace"))
        except InputError as error:
            if "\n" in str(error) or len(str(error)) > 1_500:
                raise AssertionError(f"not one short line: {error}") from error

    limits = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=20", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *limits, str(seeds)], one)
    atheris.Fuzz()


def main() -> int:
    """One reader here, or all of them in processes of their own."""
    reader, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    if reader != "all":
        fuzz(reader, seconds)
    codes = {name: subprocess.run([sys.executable, __file__, name, str(seconds)]).returncode for name in _seeds()}
    print(codes)
    return int(any(codes.values()))


if __name__ == "__main__":
    with contextlib.suppress(ModuleNotFoundError):
        sys.exit(main())
    sys.exit("atheris is not installed")
