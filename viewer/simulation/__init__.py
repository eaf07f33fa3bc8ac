"""Rules on an OpenGL context, and what is seen of them; without a window."""
