"""`nca bench`: every figure is a ratio to a named peer, measured in the same run."""
