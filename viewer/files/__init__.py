"""What the viewer reads and writes: rules, states, recordings, moving images."""
