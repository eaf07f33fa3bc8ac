"""Classic cellular automata as rules, made without training, and their patterns."""
