"""Words and pictures of what was found."""
