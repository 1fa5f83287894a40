"""Five months of recorded chains: four kinds of books under five policies, and the promise against what came."""
