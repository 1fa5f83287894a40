"""Files that are read and written, and what is said when one is wrong: the ground floor, beside the errors."""
