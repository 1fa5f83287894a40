"""From book and market to arrays: what is held, what may be traded, and how it moves."""
