"""Rules on the screen: simulation on an OpenGL context, with a window or without."""
