"""What a run answers at its end: the best designs, the predicted rest, the summary."""
