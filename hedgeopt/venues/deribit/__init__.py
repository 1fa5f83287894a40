"""Deribit: instrument names."""
