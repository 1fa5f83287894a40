"""Binance: instrument names."""
