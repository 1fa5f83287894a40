"""Payloads of venues as they come, one file a form."""
