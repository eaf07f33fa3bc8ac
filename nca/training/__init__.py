"""The training core: one loop for a rule, an image or a U-Net, independent of NCA.

Read :mod:`nca.training.learner` first: the loop. Then :mod:`~nca.training.objective` (prediction
and loss terms), :mod:`~nca.training.engines` (gradients and optimizer steps), and
:mod:`~nca.training.callbacks` (everything else).
"""

from nca.system.triton_library import load_triton

load_triton()  # before torch imports it, which it does for the first optimizer
