"""Reads and writes files, with one clear line when one is wrong: the ground floor, beside the errors."""
