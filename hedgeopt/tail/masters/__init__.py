"""Solvers of the small reduced problem that remains when only boundary scenarios are kept."""
