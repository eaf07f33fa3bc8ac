"""Neural cellular automata: train a rule on a picture, run it wherever a fragment shader runs."""

__version__ = "0.1.0"
