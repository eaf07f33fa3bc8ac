"""A web page that draws images with a diffusion model whose network is an automaton."""
