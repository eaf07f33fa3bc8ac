"""The window: controls, text over the texture, keys and pointer."""
