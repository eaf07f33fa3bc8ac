"""Training a rule that grows a texture."""
