"""Exact CVaR programs at the cost of a few dozen passes over the scenario matrix."""
