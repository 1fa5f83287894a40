"""Derive: instrument names."""
