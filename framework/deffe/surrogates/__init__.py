"""What models and explorers share: the scale a cost is learned on, and Gaussian processes."""
