"""Neural cellular automata: train a rule on an image, run it wherever a fragment shader runs."""

import os

__version__ = "0.1.0"

# Torch reads this when it is loaded. By default OpenMP threads wait for each other by spinning: if
# another program needs the core, that takes up to twenty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
