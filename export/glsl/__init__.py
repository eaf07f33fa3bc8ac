"""GLSL text of rules: pieces, functions, whole shaders."""
