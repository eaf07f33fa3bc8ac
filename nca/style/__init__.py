"""Style transfer: the shared training loop optimizes the pixels of an image."""
