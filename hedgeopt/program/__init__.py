"""Decisions: the convex program, its solution, and the proof of it."""
