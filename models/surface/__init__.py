"""The volatility surface: smiles from chain marks, arbitrage checks, and how it moves with spot."""
