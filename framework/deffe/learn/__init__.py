"""Learning from what a run knows: which points, how good the model is, and what is kept of it."""
