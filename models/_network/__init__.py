"""The convolutional networks: layers, losses, training, and the files of Deffe 4."""
