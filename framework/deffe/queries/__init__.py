"""Questions to a run, a table or checkpoints: what drives a cost, what a design would cost."""
