"""Why a proposal is what it is: every sentence rests on numbers that were solved again with something changed.

``case`` solves again, ``knobs`` names the numbers of a policy that can be moved, ``prices`` and ``pieces`` say what moving
them saves, ``why`` and ``why_not`` explain trades, ``conflict`` and ``relax`` what can't be met together, ``arbitrage`` finds
quotes that pay for certain, ``stability`` tells noise from signal, and ``anatomy`` takes the tail apart.
"""
