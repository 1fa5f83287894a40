"""Exact CVaR programs at the cost of a few dozen passes over the scenario matrix.

Importing this package registers ``problem.solve(method="tail")`` with cvxpy.
"""

from hedgeopt.tail.atom import CVaRAtom, cvar
from hedgeopt.tail.certificate import RowMultipliers
from hedgeopt.tail.product import losses
from hedgeopt.tail.register import register
from hedgeopt.tail.result import TailRecord
from hedgeopt.tail.source import ArraySource, ScenarioSource, SparseSource
from hedgeopt.tail.verified import Verified, verify

__all__ = [
    "ArraySource",
    "CVaRAtom",
    "RowMultipliers",
    "ScenarioSource",
    "SparseSource",
    "TailRecord",
    "Verified",
    "cvar",
    "losses",
    "register",
    "verify",
]

register()
