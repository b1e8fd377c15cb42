"""What further evaluations may bring, how sure the best is, and when it is enough."""
