"""Dated tables of venue rules and stress events, a source in each file."""
