"""The core callbacks, one concept per module."""

from nca.training.callbacks.activations import ActivationStatistics
from nca.training.callbacks.boards import TensorBoard, WandB
from nca.training.callbacks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nca.training.callbacks.device import Device
from nca.training.callbacks.ema import EMA
from nca.training.callbacks.gradients import ClipGradients, NaNGuard, NormalizeGradients
from nca.training.callbacks.live import LivePage
from nca.training.callbacks.metrics import Metrics
from nca.training.callbacks.notebook import NotebookPicture
from nca.training.callbacks.plot import Plot
from nca.training.callbacks.progress import Progress
from nca.training.callbacks.schedule import (
    Schedule,
    one_cycle,
    one_cycle_momentum,
    warm_up_then_cosine,
)
from nca.training.callbacks.snapshots import Snapshots
from nca.training.callbacks.threads import Threads

__all__ = [
    "EMA",
    "ActivationStatistics",
    "Checkpoint",
    "ClipGradients",
    "Device",
    "LivePage",
    "Metrics",
    "NaNGuard",
    "NormalizeGradients",
    "NotebookPicture",
    "Plot",
    "Progress",
    "Schedule",
    "Snapshots",
    "TensorBoard",
    "Threads",
    "WandB",
    "load_checkpoint",
    "one_cycle",
    "one_cycle_momentum",
    "save_checkpoint",
    "warm_up_then_cosine",
]
