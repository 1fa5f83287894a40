"""Measures of the portfolio: Greeks, tail loss, variance, leverage."""
