"""From the weights of a rule to the source text of shaders, one small module per host."""
