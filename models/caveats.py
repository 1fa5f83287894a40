"""Caveats of a result: a sentence for each table with unverified or outdated numbers that the result rests on.

Each table says its date, its shelf life and which of its numbers were not read in a source
(:mod:`hedgeopt.models.data`). Only what is read for a result counts: Derive's parameters where an account is at Derive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache

from hedgeopt.files.counted import many
from hedgeopt.models.data import About, about, where
from hedgeopt.models.scenarios.noise import OptionNoise, measured_noise
from hedgeopt.models.scenarios.stress_table import packaged_events

__all__ = ["noise_caveats", "said_of", "stress_caveats", "table_caveats"]


@lru_cache(maxsize=1024)
def table_caveats(reads: tuple[tuple[str, str], ...], on: date) -> tuple[str, ...]:
    """A sentence for each table with doubtful numbers among ``reads``, and for each one past its shelf life.

    Parameters
    ----------
    reads
        Names of a packaged table and of a parameter in it (dotted).
    on
        The day of the result: the market's.
    """
    by_table: dict[str, list[str]] = {}
    for name, parameter in reads:
        by_table.setdefault(name, []).append(parameter)
    return tuple(
        sentence
        for name, parameters in sorted(by_table.items())
        for sentence in said_of(about(name), where(name), parameters, on)
    )


def said_of(table: About, file: str, parameters: Iterable[str], on: date) -> list[str]:
    """The sentences on one table."""
    parameters = list(dict.fromkeys(parameters))
    doubts = dict.fromkeys(doubt for parameter in parameters for doubt in table.doubts(parameter))
    said = [f"not verified against a source, and read here: {', '.join(doubts)} of {file}"] if doubts else []
    if table.expired(on):
        sections = dict.fromkeys(parameter.split(".")[0] for parameter in parameters)
        said.append(
            f"{file} is of {table.as_of:%Y-%m-%d}, past its shelf life of {table.shelf_life_days} days: "
            f"check {', '.join(sections)} with the venue"
        )
    return said


@lru_cache(maxsize=256)
def stress_caveats(stress: tuple[str, ...], assets: tuple[str, ...], on: date) -> tuple[str, ...]:
    """How many numbers of the packaged stress scenarios among ``stress`` rest on judgement, for these assets."""
    used = [event for event in packaged_events() if event.name in stress]
    if not used:
        return ()
    mine = {*assets, "*", "spread", "depth"}
    numbers = [number for event in used for _, asset, number in event.numbers() if asset in mine]
    bare = sum(not number.source for number in numbers)
    file = "models/data/stress.toml"
    said = (
        [
            f"{bare} of {many(len(numbers), 'number')} of the stress scenarios "
            f"{'rests' if bare == 1 else 'rest'} on judgement: {file} says which"
        ]
        if bare
        else []
    )
    table = about("stress")
    if table.expired(on):
        said.append(f"{file} is of {table.as_of:%Y-%m-%d}, past its shelf life of {table.shelf_life_days} days")
    return tuple(said)


def noise_caveats(noise: Mapping[str, OptionNoise | None], on: date) -> tuple[str, ...]:
    """Which underlyings of options have no noise of their own, and whether the packaged noises are out of date.

    Parameters
    ----------
    noise
        By underlying, the noise of a sample in which there is some; None: its options move without.
    """
    packaged = measured_noise()
    stand_in, file = packaged.get("*"), "models/data/scenarios.toml"
    guessed = sorted(asset for asset, one in noise.items() if one == stand_in and asset not in packaged)
    without = sorted(asset for asset, one in noise.items() if one is None or one == OptionNoise())
    own = "give [scenarios.noise.{}], or a model of hedgeopt scenarios fit"
    said = []
    if guessed:
        measured = " and ".join(sorted(set(packaged) - {"*"}))
        said.append(
            f"noise of expiries and strikes was never measured for {', '.join(guessed)}: the larger of {measured} stands in "
            f"({own.format(guessed[0])})"
        )
    if without:
        said.append(f"vols of {', '.join(without)} move without noise of expiries and strikes ({own.format(without[0])})")
    table = about("scenarios")
    if table.expired(on) and any(one in packaged.values() for one in noise.values()):
        said.append(f"{file} is of {table.as_of:%Y-%m-%d}, past its shelf life of {table.shelf_life_days} days")
    return tuple(said)
