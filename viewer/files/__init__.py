"""Files of the viewer: rules, states, recordings, video input."""
