"""OKX: instrument names."""
