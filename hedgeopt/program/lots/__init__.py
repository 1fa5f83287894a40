"""Trades that a venue takes: whole lots, no smaller than the smallest order, with proof of what that costs.

``steps`` says which sizes those are, ``choice`` which candidates a search looks at, ``repair`` looks quickly and ``search``
for longer, and ``whole`` puts them together with the certificate.
"""

from hedgeopt.program.lots.steps import facing, in_whole_lots, rounded
from hedgeopt.program.lots.whole import whole_lots

__all__ = ["facing", "in_whole_lots", "rounded", "whole_lots"]
