"""``hedgeopt costs fit``: read books, fit, print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hedgeopt.cli.console import progress, say
from hedgeopt.cli.inputs import print_json, print_report
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.writing import write_atomically

__all__ = ["fit_books"]


def fit_books(books: Sequence[str], power: float, venue: str | None, json: bool, out: Path | None) -> None:
    """Fit every book of the files; those with too few levels are named and left out. ``out`` is written for ``--impact``."""
    if power not in (1.5, 2.0):
        raise InputError("is no law of impact", field="--power", value=power, fix="give 1.5 or 2")
    with progress() as stage:
        from hedgeopt.inputs.depth.forms import read_ladders
        from hedgeopt.models.costs.impact_fit import fit_impact

        stage("read")
        pairs = [pair for source in books for pair in read_ladders(source, venue)]
        counted = [ladder.instrument for ladder, unit in pairs if unit == "contracts"]
        if out is not None:  # the law would be off by the contract's size
            pairs = [pair for pair in pairs if pair[1] != "contracts"]
        ladders = [ladder for ladder, _ in pairs]
        fits = [fit_impact(ladder, power) for ladder in ladders]
    found = [one for one in fits if one is not None]
    few = [ladder.instrument for ladder, one in zip(ladders, fits, strict=True) if one is None]
    if not found:
        raise InputError("have fewer than three levels a side", file=books[0], field="books", fix="record deeper books")
    if json:
        print_json({"power": power, "fits": [asdict(one) for one in found], "too_few_levels": few})
    else:
        from hedgeopt.reports.fitted import FittedTable
        from hedgeopt.reports.words import number

        names = ("levels", "half-spread, bp", "k", "exponent", "R²", "error", "other side")
        title = f"Impact: share of the price that an order of q pays beyond the best level, k q^{power - 1:g}"
        table = FittedTable(title, ("instrument", "left"), *((name, "right") for name in names))
        for one in found:
            values = (one.k, one.exponent, one.r2, one.error_inside, one.error_outside)
            table.add_row(one.instrument, str(one.levels), number(1e4 * one.half_spread), *map(number, values))
        print_report(table)
    inside, outside = (float(np.median([getattr(one, f"error_{word}") for one in found])) for word in ("inside", "outside"))
    say(f"{many(len(found), 'book')}: median error {inside:.0%}, on the side that was not fitted {outside:.0%}")
    if out is not None:
        from hedgeopt.models.costs.impact_fit import law_text, worse_than_constant

        worse = worse_than_constant(found)
        if len(worse) == len({one.instrument for one in found}):
            raise InputError("fits no book better than a constant, there is nothing to write", field="--out", value=out,
                             fix=f"give other books, or --power {3.5 - power:g}")  # fmt: skip
        write_atomically({out: law_text(found, power)})
        say(f"wrote {out}: hedgeopt solve ... --impact {out}")
        for name, r2 in worse.items():
            say(f"left out, a constant explains its books better than the law (R² {r2:.2f}): {name}")
        for name in dict.fromkeys(counted):
            say(f"left out, sizes are contracts, whose size the file does not give: {name}")
    for name in few:
        say(f"left out, fewer than three levels or sizes a side: {name}")
