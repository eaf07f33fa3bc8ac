"""How far a picture is from a texture: features, statistics of features, and their distance."""
