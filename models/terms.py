"""The terms a policy may minimise or limit: those of :mod:`hedgeopt.models.one_term`, and sums of them."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field

from hedgeopt.models.one_term import ONE_TERMS
from hedgeopt.models.sum_of_terms import SumOfTerms
from hedgeopt.models.term import OWN_TERMS, Term

__all__ = ["TERMS", "AnyTerm"]

TERMS: dict[str, type[Term]] = {**ONE_TERMS, "sum": SumOfTerms}

AnyTerm: Any = OWN_TERMS.union(TERMS, Annotated[reduce(or_, TERMS.values()), Field(discriminator="kind")])
"""Any term, told apart by its ``kind``; the user's own too."""
