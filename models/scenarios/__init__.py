"""Joint moves of the market: historical, parametric and named stress scenarios."""
