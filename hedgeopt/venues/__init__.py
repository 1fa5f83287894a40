"""What is particular to one venue: instrument names now, connectors later."""
