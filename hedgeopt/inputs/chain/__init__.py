"""A chain of quotes from a table: read, checked, and one moment of it taken."""
