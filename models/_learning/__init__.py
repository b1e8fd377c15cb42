"""Learning costs from a table of features: ways, blends, intervals, transfer, and what is saved of them."""
