"""OpenGL for all of nca: contexts, shaders, the textures of a state."""
