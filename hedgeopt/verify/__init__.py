"""Check a stored proposal against its book, market and policy; shares no code with the solver.

Of hedgeopt it uses the readers, pricing and revaluation, scenarios, and the venues' plain margin rules. Terms, limits, the
objective, the trade box and the lower bound are worked out here a second time: a fault in ``program``, ``constraints``,
terms, ``certificate``, ``solve`` or ``tail`` does not pass both. What is not proven is said to be not proven.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hedgeopt.verify.claim import claim_of, read_claim
from hedgeopt.verify.promised import drawn_otherwise
from hedgeopt.verify.verdict import Verdict, judge

if TYPE_CHECKING:
    from hedgeopt.inputs.book import Book
    from hedgeopt.inputs.market import Market
    from hedgeopt.inputs.policy import Policy

__all__ = ["Verdict", "claim_of", "judge", "read_claim", "verify"]


def verify(proposal: str | Path, book: Book, market: Market, policy: Policy) -> Verdict:
    """The verdict on a stored ``proposal.json`` for the inputs that it was made from.

    Raises
    ------
    InputError
        When the file is no proposal, or one of other inputs.
    """
    from hedgeopt.exposures.expose import expose

    claim, e = read_claim(proposal), expose(book, market, policy)
    verdict = judge(claim, e, market, policy.model_dump(mode="json"))
    return replace(verdict, wrong=(*verdict.wrong, *drawn_otherwise(claim, e, book, market, policy)))
