"""Policies: anything with a name and one method ``decide(state)``; see :mod:`hedgeopt.backtest.policies.protocol`."""
