"""Books to hedge: what they open with, and the trades that come to them."""
