"""GLSL source of rules: pieces, functions, whole shaders."""
