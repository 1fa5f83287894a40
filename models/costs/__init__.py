"""Costs of a trade: spread, fees, carry."""
