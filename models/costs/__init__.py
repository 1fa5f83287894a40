"""What a trade costs: spread, fees, carry."""
