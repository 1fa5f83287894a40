"""``hedgeopt scenarios fit``: recorded chains in, a scenario model out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import print_json, print_report
from hedgeopt.errors import InputError
from hedgeopt.files.regular import parse_moment

if TYPE_CHECKING:
    import pandas as pd

    from hedgeopt.models.scenarios.fit import FittedModel

__all__ = ["fit_chains"]


def fit_chains(
    chains: Sequence[Path],
    out: Path,
    start: str | None,
    end: str | None,
    assets: Sequence[str],
    venue: str | None,
    resamples: int,
    seed: int,
    json: bool,
) -> None:
    """Read, fit, write, print."""
    with progress() as stage:
        from hedgeopt.files.writing import write_atomically
        from hedgeopt.models.scenarios.fit import fit_model

        stage("read")
        if out.is_dir():
            raise InputError("is a folder", field="--out", value=str(out), fix="give the name of a file, such as model.toml")
        chain = _rows(chains, start, end, assets, venue)
        stage("solve")
        try:
            model = fit_model(chain, seed=seed, resamples=resamples)
        except InputError as error:
            raise error.at(chains[0]) from None
        write_atomically({out: model.to_toml()})
    if json:
        print_json({"settings": model.settings, "errors": model.errors, "steps": dict(model.steps)})
    else:
        print_report(_table(model))
    say(f'wrote {out}; use it by model = "{out.name}" in a policy\'s [scenarios]')


def _rows(
    chains: Sequence[Path], start: str | None, end: str | None, assets: Sequence[str], venue: str | None
) -> pd.DataFrame:
    """Options of every snapshot, in the columns of :mod:`hedgeopt.models.scenarios.surface_moves`."""
    import pandas as pd

    from hedgeopt.backtest.chains import ChainReplay

    replay = ChainReplay(
        chains=tuple(chains),
        start=None if start is None else parse_moment(start, "--from"),
        end=None if end is None else parse_moment(end, "--to"),
        assets=tuple(assets),
        venue=venue or "deribit",
    )
    frames = []
    for market in replay:
        items = [item for item in market.instruments.values() if item.nature.option]
        quotes = market.quotes.loc[[item.id for item in items]]
        frames.append(
            pd.DataFrame(
                {
                    "timestamp": pd.Timestamp(market.timestamp),
                    "currency": [item.underlying for item in items],
                    "strike": [item.strike for item in items],
                    "expiry": pd.DatetimeIndex([item.expiry for item in items]),
                    "option_type": [item.right for item in items],
                    "mark_iv": quotes["mark_iv"].to_numpy(float),
                    "underlying_price": quotes["underlying_price"].to_numpy(float),
                    "index_price": [market.price(item.underlying) for item in items],
                }
            )
        )
    rows = pd.concat(frames, ignore_index=True)
    if rows.empty:
        raise InputError("holds no option", file=chains[0], fix="give recorded option chains")
    return rows


def _table(model: FittedModel) -> Any:
    from hedgeopt.reports.fitted import FittedTable

    steps = ", ".join(f"{asset} {count}" for asset, count in model.steps.items())
    title = f"{model.first:%Y-%m-%d} to {model.last:%Y-%m-%d}, moves of {model.step_hours:.1f} hours: {steps}"
    assets = list(model.steps)
    table = FittedTable(
        title, ("number", "left"), *[(name, "right") for asset in assets for name in (asset, f"error {asset}")]
    )
    own = [model.settings.get("by_asset", {}).get(asset, model.settings) for asset in assets]
    wrong = [model.errors.get("by_asset", {}).get(asset, model.errors) for asset in assets]
    for name in own[0]:
        if isinstance(own[0][name], float):
            told = [f"{one[name]:.4g}" for pair in zip(own, wrong, strict=True) for one in pair]
            table.add_row(name, *told)
    for part in ("expiry", "skew", "strike"):
        sizes = [model.settings["noise"][asset][part] for asset in assets]
        errors = [model.errors["noise"][asset][part]["size"] for asset in assets]
        for i, days in enumerate(sizes[0]["days"]):
            told = [
                f"{row[i][-1] if part == 'strike' else row[i]:.4f}"
                for pair in zip([one["size"] for one in sizes], errors, strict=True)
                for row in pair
            ]
            label = "strike at the money" if part == "strike" else part
            table.add_row(f"noise of {label}, {days:g} days, 6 h", *told)
        for name in ("exponent", "degrees"):
            if name in sizes[0]:
                pairs = [(model.settings["noise"][asset][part], model.errors["noise"][asset][part]) for asset in assets]
                table.add_row(f"{name} of noise of {part}", *(f"{one[name]:.4g}" for pair in pairs for one in pair))
    for name in ("degrees", "correlation", "jump_rate", "jump_mean", "jump_noise", "skew_tenor"):
        if name in model.settings and "by_asset" in model.settings:
            blank = [""] * (2 * len(assets) - 2)
            table.add_row(name, f"{model.settings[name]:.4g}", f"{model.errors[name]:.4g}", *blank)
    return table
