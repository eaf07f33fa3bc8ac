"""What `nca bench` runs: every figure a ratio against a named peer, measured in the same run."""
