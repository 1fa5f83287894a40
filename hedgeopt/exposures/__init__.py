"""Book and market as arrays: positions, candidates, and how both move."""
