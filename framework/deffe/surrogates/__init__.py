"""What models and explorers share: the scale a cost is learned on, Gaussian processes, and what fails."""
