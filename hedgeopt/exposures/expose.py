"""Turn a book, a market and a policy into priced exposures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from hedgeopt.errors import InputError
from hedgeopt.exposures.build import build_exposures
from hedgeopt.exposures.candidates import choose_candidates
from hedgeopt.exposures.numeraire import columns_of, in_numeraire
from hedgeopt.exposures.references import check_references
from hedgeopt.exposures.resolve import Holdings, resolve
from hedgeopt.files.calls import strict_call
from hedgeopt.files.names import advice
from hedgeopt.inputs.book import Book
from hedgeopt.inputs.market import Market
from hedgeopt.inputs.policy import Policy
from hedgeopt.models.arrays import Exposures
from hedgeopt.models.data import dollar_assets
from hedgeopt.models.pegs import tokens
from hedgeopt.models.scenarios.draw import draw
from hedgeopt.models.scenarios.set import ScenarioSet, unmoved
from hedgeopt.models.scenarios.stress import stress_scenarios

__all__ = ["expose", "holdings_of"]


@strict_call
def expose(
    book: Book,
    market: Market,
    policy: Policy,
    *,
    trades: bool = True,
    candidates: Sequence[Any] | None = None,
    stressed: bool = True,
    sampled: bool | Literal["if known"] = True,
    check_names: bool = True,
    also: Sequence[str] = (),
) -> Exposures:
    """Check freshness, choose candidates, draw scenarios and price everything.

    ``check_names`` refuses words of the policy that refer to nothing (:mod:`hedgeopt.exposures.references`); a replay does
    so once. Without ``stressed`` one scenario in which nothing moves stands in place of the policy's stress scenarios,
    and without ``sampled`` in place of its sample, whose vols are then not asked for; ``"if known"``: where a vol of the
    sample is not known, with a note, and measures of the tail are left out. ``also`` names instruments that are candidates
    whatever the policy's rules say, as a list of trades from elsewhere may hold them.

    Raises
    ------
    StaleQuoteError
        When a quote that a position or candidate needs is older than the policy allows.
    InputError
        When anything else in book, market and policy does not fit together.
    """
    holdings = holdings_of(book, market, policy, trades=trades)
    if check_names:
        holdings = replace(holdings, notes=(*holdings.notes, *check_references(holdings, policy)))
    if candidates is None:
        candidates = choose_candidates(holdings, policy.candidates) if trades else []
    chosen = {item.id for item in candidates}
    named = [item for item in holdings.listed.values() if item.name in also and item.id not in chosen]
    candidates = [*candidates, *named]
    quoted = [*holdings.quoted, *candidates]
    needed = list(dict.fromkeys(item.id for item in [*quoted, *holdings.quoted_parts]))
    market.require_fresh(needed, book.timestamp or market.timestamp, timedelta(seconds=policy.max_quote_age_seconds))
    also = columns_of(policy.numeraire, holdings.market)
    assets = tokens([*dict.fromkeys((*_assets(quoted, holdings), *also))])
    for asset in assets:
        holdings.market.price(asset)  # an asset without a price is refused as that, not as one without scenarios
    moved = [asset for asset in assets if asset not in dollar_assets()]
    sample, unknown = _sample(policy, moved, market, sampled)
    found = build_exposures(
        holdings,
        candidates,
        sample,
        stress_scenarios(assets, policy.stress) if stressed else unmoved(tuple(moved)),
        transfers=_transfers(holdings, policy) if policy.candidates.transfers else (),
        mark_half_spread=policy.candidates.mark_half_spread,
        paused_venues=policy.candidates.paused_venues,
        trades=trades,
        also=also,
        maker=policy.candidates.fees == "maker",
    )
    if unknown:
        found = replace(found, notes=(*unknown, *found.notes), horizon_days=policy.scenarios.horizon_days)
    return found if policy.numeraire is None else in_numeraire(found, policy.numeraire)


def holdings_of(book: Book, market: Market, policy: Policy, *, trades: bool = True) -> Holdings:
    """The book resolved in the market, where only the accounts that the policy names may trade."""
    return _within(resolve(book, market, policy.strictness or ("strict" if trades else "lenient")), policy)


def _sample(policy: Policy, moved: list[str], market: Market, sampled: bool | str) -> tuple[ScenarioSet, list[str]]:
    """The policy's sample, or one scenario in which nothing moves and a note on why."""
    if not sampled:
        return unmoved(tuple(moved)), []
    try:
        return draw(policy.scenarios, moved, market), []
    except InputError as error:
        if sampled is True or not (error.field or "").startswith("scenarios.vol."):
            raise
        what = f"{error.field} of a policy"
        return unmoved(tuple(moved)), [f"VaR and CVaR are not measured: {error.problem}; {error.fix} as {what}"]


def _within(holdings: Holdings, policy: Policy) -> Holdings:
    """The holdings where only the accounts that the policy names may trade; all count in limits and objective."""
    wanted = policy.candidates.trade_in
    if not wanted:
        return holdings
    words = [(account.name, *account.tags) for account in holdings.accounts]
    for pattern in wanted:
        if not any(fnmatchcase(word, pattern) for mine in words for word in mine):
            known = advice(pattern, (word for mine in words for word in mine))
            raise InputError(
                "names no account and no tag", file="policy", field="candidates.trade_in", value=pattern, fix=known
            )
    chosen = [any(fnmatchcase(word, pattern) for word in mine for pattern in wanted) for mine in words]
    accounts = tuple(
        account if mine else account.model_copy(update={"tradable": False})
        for account, mine in zip(holdings.accounts, chosen, strict=True)
    )
    return replace(holdings, book=holdings.book.model_copy(update={"accounts": accounts}))


def _transfers(holdings: Holdings, policy: Policy) -> list[Any]:
    """Transfers of the book's links; where a policy names accounts, out of those alone."""
    may = {account.name for account in holdings.accounts if account.tradable}
    return [move for move in holdings.book.transfers() if not policy.candidates.trade_in or move.source in may]


def _assets(quoted: Sequence[Any], holdings: Holdings) -> list[str]:
    """Assets of quoted instruments, then the book's others: the order in which scenarios are drawn."""
    found = dict.fromkeys(asset for item in quoted for asset in item.assets)
    return list(found | dict.fromkeys(holdings.assets))
