"""Hyperliquid: instrument names."""
