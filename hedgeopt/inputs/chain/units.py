"""Columns in the wrong unit: found by repricing every option, refused with the factor and the fix.

Each option is priced from its own vol and forward (:mod:`hedgeopt.inputs.chain.repricing`). Where options of a coin and
settlement, or of one of their expiries, disagree with their marks, one column at a time is tried in the units people write
it in: vols in per cent, premiums in dollars or coins, powers of ten. One that makes most of those that disagree agree is
the reason, where they are three or more, or most of all: part of a table in another unit is a table in two units. Where
none does, most disagree, and they are five or more, the columns do not describe the same options. A forward far from its
coin's index is another coin's, unless the marks agree with it: then the index is. A mark above what an option can be worth
is no mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.inputs.chain.repricing import NOTHING, SANE_VOLS, OptionRows, disagree

__all__ = ["refuse_wrong_units"]

_JUDGED_AFTER = 1.0 / 8_760.0  # in the last hour averages settle, and forwards and vols mean something else
_FEWEST = 3
"""Rows from which an expiry is judged by itself (fewer count with their coin), and from which one unit that explains them
counts although most rows are right."""
_ENOUGH = 5
"""Wrong rows from which columns are refused without a reason being found."""
_STEADY = 0.02
"""Ratios of marks to prices this close together, but for a fifth of them, are one factor."""
_TENS = tuple(10.0**k for k in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 8, -8))
_LIKELY_VOLS = 0.06, 6.0
_BASIS = 0.1, 1.0
"""A forward lies within ``exp(0.1 + 1.0 T)`` of the index: basis trades have never paid as much for long."""


@dataclass(frozen=True)
class _Guess:
    """One column in another unit: the rows as they would be, the factor now in the file, and what to do."""

    column: str
    rows: OptionRows
    factor: str
    fix: str


def refuse_wrong_units(rows: OptionRows, source: str, *, against_index: bool = True) -> None:
    """Raise for the first group of options in which a column is off by a constant factor.

    Options without a vol are judged by their bounds, and by whether their mark implies a vol that a coin may have.

    Raises
    ------
    InputError
        Names the file, the column, the factor, how many options show it, and the fix.
    """
    living = rows.take(np.flatnonzero(rows.years > _JUDGED_AFTER))
    if len(living):
        _refuse_columns(living, source, against_index=against_index)
    _refuse_impossible(rows, source)


def _refuse_columns(rows: OptionRows, source: str, *, against_index: bool) -> None:
    if against_index:
        _refuse_other_forwards(rows, source)
    wrong, judged = _wrong(rows)
    if not wrong.any():
        return
    for key in np.unique(rows.pools[wrong]).tolist():
        _judge(rows, rows.pools == key, wrong, judged, source, whole=True)
    for key in np.unique(rows.groups[wrong]).tolist():
        if (judged & (rows.groups == key)).sum() >= _FEWEST:
            _judge(rows, rows.groups == key, wrong, judged, source, whole=False)


def _wrong(rows: OptionRows) -> tuple[np.ndarray, np.ndarray]:
    """Which marks disagree with vol and forward, and which rows are informative."""
    marked, priced = rows.marked, rows.repriced()
    known = np.isfinite(priced)
    insane = (rows.vol < SANE_VOLS[0]) | (rows.vol > SANE_VOLS[1])
    wrong = known & (disagree(marked, np.where(known, priced, marked)) | insane)
    judged = known & (wrong | (np.maximum(marked, priced) > NOTHING))
    if not known.all():
        blind = np.flatnonzero(~known)
        wrong[blind], judged[blind] = _unlikely(rows.take(blind)), marked[blind] > 0
    return wrong & judged, judged


def _unlikely(rows: OptionRows) -> np.ndarray:
    """Without vols: marks outside their bounds, or that imply a vol no coin has."""
    from hedgeopt.models.pricing.implied_vol import implied_vol

    marked, floor = rows.marked, rows.intrinsic
    ceiling = np.where(rows.is_call, 1.0, rows.strike / rows.forward)
    wrong = ((marked < floor) & disagree(marked, floor)) | (marked >= ceiling)
    # deep in the money the time value is rounding, and its vol means nothing
    at = np.flatnonzero((marked > 1.02 * floor) & (marked < ceiling))
    if len(at):
        f, k, t = rows.forward[at], rows.strike[at], rows.years[at]
        vol = implied_vol(marked[at] * f, f, k, t, rows.is_call[at], errors="nan")
        wrong[at] |= ~((vol > _LIKELY_VOLS[0]) & (vol < _LIKELY_VOLS[1]))
    return wrong


def _judge(rows: OptionRows, mine: np.ndarray, wrong: np.ndarray, judged: np.ndarray, source: str, *, whole: bool) -> None:
    at = np.flatnonzero(mine & judged)
    bad = at[wrong[at]]
    most = 2 * len(bad) > len(at)
    if not most and len(bad) < _FEWEST:
        return
    chosen = rows.take(bad)
    best: tuple[int, _Guess] | None = None
    for guess in _guesses(chosen):
        still, says = _wrong(guess.rows)
        healed = int((says & ~still).sum())
        if best is None or healed > best[0]:
            best = healed, guess
    label = f"{chosen.coin[0]} options settled in {chosen.settlement[0]}" + ("" if whole else _expiry(chosen))
    if best is not None and 2 * best[0] > len(bad) and (best[0] >= _FEWEST or 2 * best[0] > len(at)):
        healed, guess = best
        other = "the marks imply" if guess.column == "mark_iv" else "mark_iv and the forward imply"
        if not np.isfinite(chosen.vol).any():
            other = "a plausible vol allows"
        problem = f"is {guess.factor} × what {other} in {healed} of {len(at)} {label} ({chosen.name[0]})"
        raise InputError(problem, file=source, field=guess.column, fix=guess.fix)
    chosen = chosen.take(np.flatnonzero(np.isfinite(chosen.vol)))
    if len(chosen) < (_FEWEST if most else _ENOUGH):
        return
    marked, priced = chosen.marked, chosen.repriced()
    ratio = marked / np.maximum(priced, 1e-300)
    steady = float(np.median(ratio))
    if steady > 0 and np.quantile(np.abs(ratio / steady - 1.0), 0.8) < _STEADY:
        problem = f"is {steady:.4g} × what mark_iv and the forward imply in {len(bad)} of {len(at)} {label}"
        raise InputError(problem, file=source, field="mark_price", fix=f"divide the column by {steady:.4g}, or fix mark_iv")
    if not most or len(chosen) < _ENOUGH:
        return
    far = float(np.median(np.abs(marked - priced) / np.maximum(marked, priced)))
    raise InputError(
        f"mark_price, mark_iv and underlying_price disagree in {len(bad)} of {len(at)} {label}, by {far:.0%} of the price "
        f"in the middle ({chosen.name[0]}: mark {marked[0]:.4g}, repriced {priced[0]:.4g} of the forward)",
        file=source,
        fix="take all three from one moment, in the units of `hedgeopt schema`",
    )


def _refuse_impossible(rows: OptionRows, source: str) -> None:
    """A call worth more than its forward, or a put worth more than its strike: no book may be valued by such a mark."""
    ceiling = np.where(rows.is_call, 1.0, rows.strike / rows.forward)
    bad = np.flatnonzero((rows.marked > ceiling) & disagree(rows.marked, ceiling))
    if not len(bad):
        return
    worst = int(bad[0])
    most = float(ceiling[worst] * rows.unit[worst])
    what = f"{most:,.6g} {rows.coin[worst] if rows.inverse[worst] else 'USD'}"
    raise InputError(
        f"of {rows.name[worst]} is more than such a {'call' if rows.is_call[worst] else 'put'} can be worth ({what})"
        + (f", and of {len(bad) - 1} more" if len(bad) > 1 else ""),
        file=source,
        field="mark_price",
        value=float(rows.mark[worst]),
        fix="a coin-settled option is quoted in coins, a dollar-settled one in dollars; mend the row or leave it out",
    )


def _expiry(rows: OptionRows) -> str:
    return f" of {np.datetime64(int(rows.expiry[0]), 's').astype('datetime64[D]')}"


def _guesses(rows: OptionRows) -> Iterator[_Guess]:
    """Likeliest first: among those that explain as many rows the first counts."""
    vols_given = bool(np.isfinite(rows.vol).any())
    if vols_given:
        yield _Guess("mark_iv", rows.having(vol=rows.vol / 100.0), "100", "divide it by 100 (0.55 is 55 %)")
        yield _Guess("mark_iv", rows.having(vol=rows.vol * 100.0), "1/100", "multiply it by 100 (0.55 is 55 %)")
        for days in (365.0, 252.0):
            daily = rows.having(vol=rows.vol * np.sqrt(days))
            yield _Guess("mark_iv", daily, f"1/sqrt({days:.0f})", f"multiply it by sqrt({days:.0f}): vols are annual")
    coins = "a coin-settled option is quoted in coins"
    dollars = "a dollar-settled option is quoted in dollars"
    quoted = "bid_price, ask_price and mark_price"
    for name, price in (("forward", rows.forward), ("index", rows.index)):
        if rows.inverse[0]:
            yield _Guess("mark_price", rows.having(mark=rows.mark / price), name, f"divide {quoted} by the {name}: {coins}")
        yield _Guess(
            "mark_price", rows.having(mark=rows.mark * price), f"1/{name}", f"multiply {quoted} by the {name}: {dollars}"
        )
        if not rows.inverse[0]:
            yield _Guess("mark_price", rows.having(mark=rows.mark / price), name, f"divide {quoted} by the {name}")
    for factor in _TENS:
        word = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
        back = f"divide it by {factor:g}" if factor >= 1 else f"multiply it by {1 / factor:g}"
        if vols_given:
            yield _Guess("mark_iv", rows.having(vol=rows.vol / factor), word, f"{back} (0.55 is 55 %)")
        yield _Guess("mark_price", rows.having(mark=rows.mark / factor), word, f"{back}, and the bids and asks")
        yield _Guess("strike", rows.having(strike=rows.strike / factor), word, f"{back}, in the names too: strikes are USD")


def _refuse_other_forwards(rows: OptionRows, source: str) -> None:
    """Forwards that are no forwards of their coin, or an index that is not: repricing tells which."""
    far = np.abs(np.log(rows.forward / rows.index)) > _BASIS[0] + _BASIS[1] * rows.years
    if not far.any():
        return
    group = rows.groups
    share = np.bincount(group, weights=far) / np.bincount(group)
    for key in np.flatnonzero(share > 0.5).tolist():
        mine = rows.take(np.flatnonzero(group == key))
        ratio = float(np.median(mine.forward / mine.index))
        priced = mine.repriced()
        known = np.isfinite(priced)
        trusted = known.any() and not disagree(mine.marked[known], priced[known]).mean() > 0.5
        coin = str(mine.coin[0])
        if trusted:
            problem = f"of {coin} is {1 / ratio:.4g} × the forwards, with which the options' marks agree"
            raise InputError(problem, file=source, field="index_price", fix=f"give the index of {coin} in USD")
        level = float(np.median(mine.forward))
        coins = {str(name): float(price) for name, price in zip(rows.coin, rows.index, strict=True)}
        near = [name for name, price in coins.items() if name != coin and abs(np.log(level / price)) < 0.2]
        whose = f" (it looks like {near[0]}'s)" if near else ""
        raise InputError(
            f"is {ratio:.4g} × the index of {coin} in {many(len(mine), 'option')} settled in {mine.settlement[0]}"
            f"{_expiry(mine)}{whose}",
            file=source,
            field="underlying_price",
            fix=f"give the forward of {coin} at the option's expiry in USD, and check index_price",
        )
