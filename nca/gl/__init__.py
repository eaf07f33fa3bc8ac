"""OpenGL: contexts, shaders, and the textures of a state."""
