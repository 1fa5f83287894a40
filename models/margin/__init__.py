"""Venue margin rules, one file per venue."""
