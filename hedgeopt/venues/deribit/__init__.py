"""What is particular to Deribit."""
