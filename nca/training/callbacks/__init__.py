"""The callbacks that come with the core, one concept a module."""

from nca.training.callbacks.checkpoint import Checkpoint
from nca.training.callbacks.ema import EMA
from nca.training.callbacks.gradients import NormalizeGradients
from nca.training.callbacks.metrics import Metrics
from nca.training.callbacks.progress import Progress
from nca.training.callbacks.schedule import Schedule, warm_up_then_cosine

__all__ = [
    "EMA",
    "Checkpoint",
    "Metrics",
    "NormalizeGradients",
    "Progress",
    "Schedule",
    "warm_up_then_cosine",
]
