"""Pricing, one file per instrument family."""
