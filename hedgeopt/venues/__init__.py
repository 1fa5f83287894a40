"""Venues: how each names its instruments, and its sizes."""
