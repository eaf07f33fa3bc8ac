"""Rules in an OpenGL context, and their display, without a window."""
