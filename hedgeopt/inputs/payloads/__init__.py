"""Readers of venues' payloads as they come, one file per form."""
