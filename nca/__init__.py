"""Neural cellular automata: train a rule on a picture, run it wherever a fragment shader runs."""

import os

__version__ = "0.2.0"

# Read when torch is loaded. By default a thread of OpenMP waits for the others by spinning: beside
# another program, which has the core that they need, that takes up to twenty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
