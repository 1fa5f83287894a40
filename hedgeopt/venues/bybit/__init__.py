"""Bybit: instrument names."""
