"""What the desk gives: book, market, policy, and the readers of their files."""
