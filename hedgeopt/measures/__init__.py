"""Numbers of an exposure: Greeks, tail, leverage, margin, profiles."""
