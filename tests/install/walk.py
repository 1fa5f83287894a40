"""Run inside a plain install: the command line and the public names, with every extra missing. Prints one JSON object.

``python walk.py FOLDER`` where FOLDER holds the demo's output. Commands are ``[exit code, stdout, stderr]`` by name.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hedgeopt as ho
from hedgeopt.cli import main

FOLDER = Path(sys.argv[1])
FILES = [
    "--book",
    str(FOLDER / "book.json"),
    "--market",
    str(FOLDER / "market.csv"),
    "--policy",
    str(FOLDER / "policy.toml"),
]


def command(*words: str) -> list[Any]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return [code, out.getvalue(), err.getvalue()]


def call(function: Callable[[], Any]) -> str:
    """What a call of the API gives: ok, or its error in one line; a traceback where that is no error of ours."""
    try:
        function()
    except ho.HedgeoptError as error:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return traceback.format_exc()
    return "ok"


def commands() -> dict[str, list[Any]]:
    (FOLDER / "market.parquet").write_bytes(b"PAR1 and so on PAR1")
    (FOLDER / "config.toml").write_text(
        '[replay]\nchains = ["market.parquet"]\n[book]\nkind = "short_gamma"\n[policy]\nkind = "do_nothing"\n',
        encoding="utf-8",
    )
    (FOLDER / "sweep.toml").write_text(
        'base = "config.toml"\n[vary]\n"costs.mark_half_spread" = [0.0001, 0.0002]\n', encoding="utf-8"
    )
    ecos = (
        (FOLDER / "policy.toml").read_text(encoding="utf-8").replace("tolerance = 1e-6", 'tolerance = 1e-6\nsolver = "ECOS"')
    )
    (FOLDER / "ecos.toml").write_text(ecos, encoding="utf-8")
    folder, proposal = str(FOLDER / "out"), str(FOLDER / "proposal.json")
    parquet = ["--book", FILES[1], "--market", str(FOLDER / "market.parquet"), "--policy", FILES[5]]
    found = {
        "help": command("--help"),
        "version": command("--version"),
        "doctor": command("doctor"),
        "check": command("check", *FILES),
        "risk": command("risk", *FILES, "--scenarios", "500"),
        "margin": command("margin", *FILES),
        "solve": command("solve", *FILES, "--scenarios", "500", "--out", folder),
        "verify": command("verify", proposal, *FILES),
        "report": command("report", proposal, "--html", str(FOLDER / "again.html"), "--csv", str(FOLDER / "tables")),
        "scenarios list": command("scenarios", "list"),
        "scenarios describe": command("scenarios", "describe", "2020-03-12"),
        "scenarios sample": command("scenarios", "sample", "--market", FILES[3]),
        "parquet": command("solve", *parquet),
        "ecos": command("solve", *FILES[:4], "--policy", str(FOLDER / "ecos.toml")),
        "ecos by option": command("solve", *FILES, "--solver", "ECOS"),
        "backtest": command("backtest", str(FOLDER / "config.toml")),
        "backtest pages": command("backtest", str(FOLDER / "config.toml"), "--out", folder),
        "sweep": command("sweep", str(FOLDER / "sweep.toml"), "--out", str(FOLDER / "swept")),
    }
    return found | {f"schema {kind}": command("schema", kind) for kind in ("book", "market", "policy")}


def calls() -> dict[str, str]:
    from hedgeopt.backtest.sweep.engines import open_engine
    from hedgeopt.models.scenarios.draw import draw
    from hedgeopt.tail.blocks import ArrowSource, ParquetSource

    market, book, policy = ho.read_market(FILES[3]), ho.read_book(FILES[1]), ho.read_policy(FILES[5])
    small = policy.model_copy(update={"scenarios": ho.ParametricScenarios(count=300)})
    proposal = small.propose(book, market)
    return {
        "names": call(lambda: [getattr(ho, name) for name in ho.__all__]),
        "page": call(proposal.to_html),
        "file": call(lambda: ho.read_proposal(FOLDER / "proposal.json")),
        "risk": call(lambda: ho.risk_report(ho.expose(book, market, small, trades=False))),
        "parquet": call(lambda: ho.read_market(FOLDER / "market.parquet")),
        "scenarios from parquet": call(lambda: ParquetSource(FOLDER / "market.parquet")),
        "scenarios from arrow": call(lambda: ArrowSource(FOLDER / "market.parquet")),
        "history": call(lambda: draw(ho.HistoricalScenarios(prices=str(FOLDER / "market.parquet")), ["BTC"], market)),
        "cluster": call(lambda: open_engine("dask", scheduler="tcp://127.0.0.1:9")),
        "conic": call(
            lambda: ho.Policy(
                minimize=ho.TransactionCost() + 1e-9 * ho.Variance(), scenarios=small.scenarios, lots="ideal"
            ).propose(book, market)
        ),
        **{f"plot {name}": call(lambda name=name: _plot(proposal, name)) for name in _plots(proposal)},
    }


def _plots(proposal: Any) -> list[str]:
    return (
        [name for name in dir(getattr(proposal, "plot", None)) if not name.startswith("_")]
        if hasattr(proposal, "plot")
        else []
    )


def _plot(proposal: Any, name: str) -> None:
    getattr(proposal.plot, name)()


print(json.dumps({"commands": commands(), "calls": calls()}))
