"""What leaves and returns: the plan of execution, orders in a venue's form, fills, and cash over the next days."""
