"""What every instrument family is worth, one file per family."""
