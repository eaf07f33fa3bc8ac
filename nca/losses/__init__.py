"""How far an image is from a texture: features, statistics of features, and their distance."""
