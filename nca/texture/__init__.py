"""Train a rule that grows a texture."""
