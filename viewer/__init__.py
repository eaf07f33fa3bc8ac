"""Rules on the screen: simulation in an OpenGL context, with or without a window."""
