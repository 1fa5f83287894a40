"""Order books and pools from files, for a market of the same moment."""
