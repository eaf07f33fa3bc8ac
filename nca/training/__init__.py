"""The training core: one loop that trains a rule, an image or a U-Net. It knows nothing of NCA.

Read :mod:`nca.training.learner` first: the loop. Then :mod:`~nca.training.objective` (what is
predicted and lost), :mod:`~nca.training.engines` (how a gradient and a step are computed), and
:mod:`~nca.training.callbacks` (everything else).
"""
