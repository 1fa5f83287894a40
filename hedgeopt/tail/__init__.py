"""placeholder until the tail branch lands"""

import cvxpy as cp


def register():
    pass


def cvar(losses, beta, probabilities=None):
    return cp.cvar(losses, beta)
