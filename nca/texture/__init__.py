"""Train a rule: on a texture, on a whole image, or to restore images."""
