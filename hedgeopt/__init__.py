"""hedgeopt: a convex-optimization hedge solver for crypto derivatives books."""
