"""Book, market and policy, and the readers of their files."""
