"""Features that images are compared by."""
