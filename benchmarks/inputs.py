"""Reading at scale: a market file of a million rows, replies of a venue, and a large book against many candidates.

Every case runs in a process of its own, so that its peak memory is its own. Seconds are CPU time of that process, without
imports.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.registry import benchmark

__all__ = ["large_market", "records"]

_STAMP = pd.Timestamp("2026-03-06 10:00", tz="UTC")


@benchmark("inputs", "a market file of a million rows, replies of a venue, and a large book against many candidates")
def records(smoke: bool) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = 2_000 if smoke else 1_000_000
        for form in ("csv", "parquet", "csv without pyarrow"):
            count = min(rows, 200_000) if form.endswith("pyarrow") else rows
            yield _apart("file", {"form": form, "rows": count, "folder": folder})
        yield _apart("reply", {"options": 20 if smoke else 3_000, "folder": folder})
        sizes = (50, 40, 200) if smoke else (5_000, 3_000, 10_000)
        for case in ("book", "solve"):
            yield _apart(case, dict(zip(("positions", "candidates", "scenarios"), sizes, strict=True)))


def _apart(case: str, options: dict[str, Any]) -> dict[str, Any]:
    code = (
        "from benchmarks.inputs import CASES; import json, sys; "
        f"print(json.dumps(CASES[{case!r}](**json.loads(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", code, json.dumps(options)], capture_output=True, text=True, check=False)
    told = {key: value for key, value in options.items() if key != "folder"}
    if done.returncode:
        return {"case": case, **told, "failed": done.stderr.strip().splitlines()[-1][:200]}
    return {"case": case, **told, **json.loads(done.stdout.strip().splitlines()[-1])}


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _file(form: str, rows: int, folder: str) -> dict[str, Any]:
    import io

    from hedgeopt.example import example_files
    from hedgeopt.inputs.chain.reader import read_market

    table = pd.read_csv(io.StringIO(example_files()["market.csv"]))
    stamps = pd.date_range(_STAMP - pd.Timedelta(hours=2), _STAMP, periods=max(rows // len(table), 2))
    frame = pd.concat([table.assign(timestamp=stamp.isoformat()) for stamp in stamps], ignore_index=True)
    path = Path(folder) / f"market.{form.split()[0]}"
    if form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    if form.endswith("pyarrow"):
        from hedgeopt.files import table_file

        table_file.installed = lambda package: False  # type: ignore[assignment]
    read_market(table)  # what is compiled is compiled
    began = time.process_time()
    market = read_market(path, at=_STAMP.isoformat())
    seconds = time.process_time() - began
    size = round(path.stat().st_size / 2**20, 1)
    return {
        "rows": len(frame),
        "mib": size,
        "instruments": len(market),
        "cpu_seconds": round(seconds, 2),
        "peak_mib": _peak(),
    }


def _reply(options: int, folder: str) -> dict[str, Any]:
    from hedgeopt.inputs.chain.reader import read_market

    frame = large_market(options, options)
    frame = frame[frame["option_type"].notna()]
    rows = [
        {
            "instrument_name": row.instrument_name, "underlying_price": row.underlying_price, "mark_price": row.mark_price,
            "bid_price": row.bid_price, "ask_price": row.ask_price, "mark_iv": 100 * row.mark_iv,
            "creation_timestamp": _STAMP.value // 10**6, "estimated_delivery_price": row.index_price,
        }
        for row in frame.itertuples()
    ]  # fmt: skip
    path = Path(folder) / "reply.json"
    path.write_text(json.dumps({"jsonrpc": "2.0", "result": rows}))
    read_market(frame)
    began = time.process_time()
    market = read_market(path)
    return {"instruments": len(market), "cpu_seconds": round(time.process_time() - began, 2), "peak_mib": _peak()}


def large_market(options: int, quoted: int) -> pd.DataFrame:
    """A chain of BTC and ETH options at a smile, a perpetual of each; the first ``quoted`` options have bids and asks."""
    from hedgeopt.models.pricing.black76 import black76_price

    fridays = pd.date_range("2026-03-20", periods=25, freq="7D", tz="UTC") + pd.Timedelta(hours=8)
    strikes = max(2, -(-options // (2 * len(fridays) * 2)))
    parts = []
    for coin, index, unit in (("BTC", 92_000.0, 100.0), ("ETH", 3_180.0, 5.0)):
        for expiry in fridays:
            years = (expiry - _STAMP).total_seconds() / (365 * 86_400)
            spread = np.linspace(-1.6, 1.6, strikes) * 0.6 * np.sqrt(years)
            strike = np.unique(np.round(index * np.exp(spread) / unit) * unit)
            for right in "CP":
                vol = 0.55 + 0.1 * np.log(strike / index) ** 2
                worth = black76_price(
                    np.full(len(strike), index), strike, np.full(len(strike), years), vol, np.full(len(strike), right == "C")
                )
                day = f"{expiry.day}{expiry:%b%y}".upper()
                parts.append(
                    pd.DataFrame(
                        {
                            "currency": coin, "instrument_name": [f"{coin}-{day}-{k:.0f}-{right}" for k in strike],
                            "option_type": "call" if right == "C" else "put", "strike": strike, "expiry": expiry.isoformat(),
                            "mark_price": np.maximum(worth / index, 1e-5), "mark_iv": vol, "underlying_price": index,
                            "index_price": index,
                        }
                    )
                )  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sample(frac=1.0, random_state=1).reset_index(drop=True).iloc[:options]
    some = np.arange(len(frame)) < quoted
    frame["bid_price"] = np.where(some, 0.98 * frame["mark_price"], np.nan)
    frame["ask_price"] = np.where(some, 1.02 * frame["mark_price"], np.nan)
    swaps = pd.DataFrame(
        {
            "currency": ["BTC", "ETH"], "instrument_name": ["BTC-PERPETUAL", "ETH-PERPETUAL"], "mark_price": [92e3, 3_180.0],
            "bid_price": [91_995.0, 3_179.9], "ask_price": [92_005.0, 3_180.1], "index_price": [92_000.0, 3_180.0],
        }
    )  # fmt: skip
    return pd.concat([frame, swaps], ignore_index=True).assign(timestamp=_STAMP.isoformat())


def _large_book(positions: int, candidates: int, scenarios: int) -> tuple[Any, Any, Any]:
    """A book of options, a market that quotes the candidates, and a policy without a limit that binds."""
    import hedgeopt as ho

    frame = large_market(max(positions, candidates) + 500, candidates)
    market = ho.read_market(frame)
    rng = np.random.default_rng(1)
    names = frame.loc[frame["option_type"].notna(), "instrument_name"].to_numpy()
    held = rng.choice(names, positions, replace=False)
    sizes = np.round(rng.normal(0.0, 5.0, positions), 1) + 0.1
    book = ho.Book(
        accounts=[
            ho.Account(
                name="desk", venue="deribit", margin="otc",
                collateral=[ho.Collateral(asset="BTC", amount=2_000.0), ho.Collateral(asset="ETH", amount=20_000.0)],
                positions=[ho.Position(instrument=str(n), quantity=float(q)) for n, q in zip(held, sizes, strict=True) if q],
            )
        ]
    )  # fmt: skip
    policy = ho.Policy(
        minimize=ho.TransactionCost(),
        subject_to=[ho.CVaR(0.99) <= 1e9],
        candidates={"min_delta": 0.0, "min_days": 0.0, "max_days": 1_000.0, "max_relative_spread": 10.0, "held": False},
        scenarios={"kind": "parametric", "count": scenarios},
        lots="ideal",
    )
    return book, market, policy


def _book(positions: int, candidates: int, scenarios: int) -> dict[str, Any]:
    """Values, Greeks and scenario P&L of a large book and its candidates: all that a program is built from."""
    import hedgeopt as ho

    book, market, policy = _large_book(positions, candidates, scenarios)
    began = time.process_time()
    exposures = ho.expose(book, market, policy)
    seconds = time.process_time() - began
    held_now = len(book.accounts[0].positions)
    found = {"positions": held_now, "candidates": exposures.n_candidates, "cpu_seconds": round(seconds, 2)}
    return {**found, "peak_mib": _peak()}


def _solve(positions: int, candidates: int, scenarios: int) -> dict[str, Any]:
    """From book and market to a certified proposal: the cheapest hedge that halves the CVaR of the book."""
    import hedgeopt as ho

    book, market, policy = _large_book(positions, candidates, scenarios)
    began, clock = time.process_time(), time.monotonic()
    now = ho.risk_report(ho.expose(book, market, policy, trades=False)).cvar["0.99"]
    policy = policy.model_copy(update={"subject_to": (ho.CVaR(0.99) <= 0.5 * now,)})
    proposal = policy.propose(book, market)
    certificate = proposal.certificate
    return {
        "positions": len(book.accounts[0].positions),
        "trades": len(proposal.trades),
        "cvar_before": round(now),
        "objective": round(certificate.objective, 2),
        "gap": float(certificate.gap),
        "cpu_seconds": round(time.process_time() - began, 1),
        "seconds": round(time.monotonic() - clock, 1),
        "peak_mib": _peak(),
    }


CASES = {"file": _file, "reply": _reply, "book": _book, "solve": _solve}
