"""The training core: one loop that trains a rule, an image or a U-Net, independent of NCA.

Start with :mod:`nca.training.learner`, the loop. Then read :mod:`~nca.training.objective`
(prediction and loss terms), :mod:`~nca.training.engines` (gradients and optimizer steps), and
:mod:`~nca.training.callbacks` (everything else).
"""

from nca.system.triton_library import load_triton

load_triton()  # must come before torch imports Triton, which the first optimizer causes
