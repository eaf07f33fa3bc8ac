"""A page that draws the images of a diffusion model whose network is an automaton."""
