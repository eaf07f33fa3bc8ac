"""Files of the viewer: rules, states, recordings, moving images."""
