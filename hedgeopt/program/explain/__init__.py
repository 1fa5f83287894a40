"""Why a proposal is what it is: every sentence rests on numbers that were solved again with something changed.

``case`` solves again, ``knobs`` names the numbers of a policy that can be moved, ``prices`` and ``pieces`` say what moving
them saves, and ``why`` and ``why_not`` explain trades.
"""
