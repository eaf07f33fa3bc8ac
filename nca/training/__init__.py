"""The training core: one loop, independent of NCA, that trains a rule, an image or a U-Net.

Start with :mod:`nca.training.learner`, the loop. Then read :mod:`~nca.training.objective`
(prediction and loss terms), :mod:`~nca.training.engines` (gradients and optimizer steps), and
:mod:`~nca.training.callbacks` (everything else).
"""

from nca.system.triton_library import load_triton

load_triton()  # must run before torch imports Triton, which happens with the first optimizer
