"""What remains dangerous, in sentences: liquidation, stresses, what the trades make worse, orders a venue may refuse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgeopt.files.counted import many
from hedgeopt.models.margin.rules import OTHER_RULE
from hedgeopt.reports.rows import moves
from hedgeopt.reports.words import number, per_cent

if TYPE_CHECKING:
    from hedgeopt.measures.margin import AccountMargin, MarginState

__all__ = ["Danger", "danger"]

_BAD, _WARN = 0.05, 0.20
"""Moves of every coin within which an account's liquidation is alarming, or worth a warning."""
_NAMED = 4
_OPEN, _SAFE = 0.001, 0.05
"""Least loss of room that is named, of equity or as a share of it: where maintenance is not covered, and where it is."""
_FAR = 0.5
"""A liquidation farther than this move is not named for having come nearer."""


@dataclass(frozen=True)
class Danger:
    """Nearest liquidation, stresses not covered and so on, a sentence each; ``tone`` is ``good``, ``warn`` or ``bad``."""

    sentences: tuple[str, ...]
    tone: str

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"tone": self.tone, "sentences": list(self.sentences)}


def danger(
    accounts: Sequence[AccountMargin],
    before: Sequence[AccountMargin] = (),
    *,
    traded: Collection[str] = (),
    margin_limited: bool = True,
    unit: str = "USD",
    notes: Sequence[str] = (),
) -> Danger:
    """What margin leaves dangerous in ``accounts``; with ``before``, compared with the same accounts before trading.

    An account whose requirement is unknown is named as that, and in no other sentence.
    ``unit`` is what their amounts are in, ``traded`` names the accounts with trades, ``margin_limited`` says whether the
    policy limits margin in any way. Of the ``notes``, those on accounts that follow another venue's rule are said.
    """
    unknown = [item for item in accounts if item.unknown]
    hidden = {_name(item) for item in (*unknown, *(item for item in before if item.unknown))}
    accounts, before = ([item for item in mine if _name(item) not in hidden] for mine in (accounts, before))
    foreign = [f"{note}." for note in notes if note.startswith(OTHER_RULE)]
    sentences, near = [*foreign, *(_unknown(item) for item in unknown)], _nearest(accounts)
    if accounts or not unknown:
        sentences.append(_liquidation(accounts, before, "another" if unknown else "an"))
    others = " of the other accounts" if unknown else ""
    open_in, was_open = _open_in(accounts), _open_in(before)
    stresses = len(accounts[0].stresses) if accounts else 0
    if open_in:
        several = len(accounts) > 1
        told = [f"{name} ({', '.join(where)})" if several else name for name, where in open_in.items()]
        then = f" (before: {len(was_open)})" if before and len(was_open) != len(open_in) else ""
        of = many(stresses, "stress", "stresses")
        sentences.append(f"Maintenance{others} is NOT covered in {len(told)} of {of}{then}: {_some(told)}.")
    elif stresses:
        sentences.append(
            f"Maintenance{others} is covered in the one stress."
            if stresses == 1
            else f"Maintenance{others} is covered in all {stresses} stresses."
        )
    worse, less = _worse(accounts, before, unit)
    if worse:
        sentences.append(f"WORSE by the trades: {_some(worse)}.")
    if less:
        sentences.append(f"Less room by the trades: {_some(less)}.")
    sentences += _refused(accounts, before, traded, unit)
    distance = float("inf") if near is None else abs(near[0])
    tone = "bad" if distance <= _BAD else "warn" if open_in or unknown or foreign or distance <= _WARN else "good"
    if not margin_limited and (tone != "good" or worse or less):
        sentences.append("The policy has no limit on margin: margin_utilisation or survive_stress would keep it.")
    return Danger(tuple(sentences), tone)


def _some(told: Sequence[str]) -> str:
    rest = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return f"{', '.join(told[:_NAMED])}{rest}"


def _unknown(item: AccountMargin) -> str:
    if item.lacks_number:
        return f"Liquidation unknown for {_name(item)}: the rule of {item.model}."
    return f"Liquidation unknown for {_name(item)}: its margin ({item.model}) is a contract that no rule here knows."


def _liquidation(accounts: Sequence[AccountMargin], before: Sequence[AccountMargin], which: str = "an") -> str:
    near, was = _nearest(accounts), _nearest(before)
    if near is None:
        return f"No move of every coin from −98 % to +500 % liquidates {which} account."
    if near[0] == 0.0:
        names = [_name(item) for item in accounts if item.liquidation_down == 0.0]
        then = "" if was is None or was[0] == 0.0 else f" (before: {moves(was[0], None)})"
        return f"LIQUIDATION NOW: equity of {', '.join(names or [near[1]])} does not cover maintenance margin{then}."
    then = "" if was is None else f" (before: {moves(was[0], None)})"
    return f"Nearest liquidation: {near[1]} when every coin moves {moves(near[0], None)}{then}."


def _nearest(accounts: Sequence[AccountMargin]) -> tuple[float, str] | None:
    """Smallest move that liquidates an account, and which."""
    found = [
        (move, _name(item)) for item in accounts for move in (item.liquidation_down, item.liquidation_up) if move is not None
    ]
    return min(found, key=lambda pair: abs(pair[0]), default=None)


def _open_in(accounts: Sequence[AccountMargin]) -> dict[str, list[str]]:
    """Accounts whose maintenance is not covered, by stress."""
    found: dict[str, list[str]] = {}
    for item in accounts:
        for state in item.stresses:
            if not state.covered:
                found.setdefault(state.scenario, []).append(_name(item))
    return found


def _worse(accounts: Sequence[AccountMargin], before: Sequence[AccountMargin], unit: str) -> tuple[list[str], list[str]]:
    """What the trades take from accounts: where maintenance is not covered after them, and where it still is."""
    worse: list[str] = []
    less: list[str] = []
    was = {(item.venue, item.account): item for item in before}
    for item in accounts:
        then = was.get((item.venue, item.account))
        if then is None or not any(state.maintenance for state in (item.now, then.now, *item.stresses, *then.stresses)):
            continue
        of = f"{_name(item)} " if len(accounts) > 1 else ""
        found = [*_use(then, item), *_room(then, item, unit), *_nearer(then, item)]
        for told, mine in ((worse, [text for is_open, text in found if is_open]), (less, [t for o, t in found if not o])):
            told += [f"{'' if k else of}{text}" for k, text in enumerate(mine)]
    return worse, less


def _use(then: AccountMargin, item: AccountMargin) -> Iterator[tuple[bool, str]]:
    old, new = (one.now.utilisation for one in (then, item))
    is_open = not item.now.covered
    if old is not None and (new is None or new - old > (_OPEN if is_open else _SAFE)):
        yield is_open, f"margin used {per_cent(old)} → {per_cent(new) if new is not None else 'no equity left'}"


def _room(then: AccountMargin, item: AccountMargin, unit: str) -> Iterator[tuple[bool, str]]:
    """Left over now, then in the stresses, the largest loss first."""
    pairs = sorted(zip(then.stresses, item.stresses, strict=True), key=lambda pair: _left(pair[1]) - _left(pair[0]))
    size = abs(then.now.equity)
    for old, new in ((then.now, item.now), *pairs):
        if _left(old) - _left(new) > (_SAFE if new.covered else _OPEN) * size:
            where = "" if new is item.now else f" in {new.scenario}"
            yield not new.covered, f"left over{where} {number(_left(old))} → {number(_left(new))} {unit}"


def _nearer(then: AccountMargin, item: AccountMargin) -> Iterator[tuple[bool, str]]:
    """Moves at which it is liquidated that have come nearer; of an account below maintenance, that it now is."""
    if item.liquidation_down == 0.0:
        if then.liquidation_down != 0.0:
            yield True, f"liquidated at {moves(then.liquidation_down, then.liquidation_up)} → now"
        return
    for old, new in ((then.liquidation_down, item.liquidation_down), (then.liquidation_up, item.liquidation_up)):
        if new is None or abs(new) > _FAR or old == 0.0 or (old is not None and abs(old) - abs(new) < _SAFE):
            continue
        yield False, f"liquidated at {moves(old, None)} → {moves(new, None)}"


def _refused(
    accounts: Sequence[AccountMargin], before: Sequence[AccountMargin], traded: Collection[str], unit: str
) -> Iterator[str]:
    """Accounts whose initial margin exceeds the equity that counts for it: nothing that adds risk is accepted there."""
    was = {(item.venue, item.account): item for item in before}
    for item in accounts:
        counted = item.now.equity - item.now.haircut
        if item.now.initial <= counted * (1 + 1e-9) or item.now.initial <= 0.0:
            continue
        then = was.get((item.venue, item.account))
        old = "" if then is None else f" (before: {number(then.now.initial)})"
        these = ", which these trades may be" if item.account in traded else ""
        yield (
            f"Initial margin of {_name(item)} is {number(item.now.initial)} {unit}{old}, more than the {number(counted)} "
            f"{unit} of equity that counts: the venue refuses orders that add risk{these}."
        )


def _left(state: MarginState) -> float:
    return state.equity - state.maintenance


def _name(item: AccountMargin) -> str:
    return f"{item.venue}/{item.account}"
