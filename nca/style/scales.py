"""From coarse to fine: the image grows while it is trained, and the optimizer with it.

Large shapes settle where they are cheap, and the features, which see a fixed number of pixels, see
all sizes of the image in turn. As in style-transfer-pytorch (Katherine Crowson), scales differ by
the square root of 2, each starts from the average of the one before, and Adam's moments are
resized instead of forgotten.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from nca.style.image import ImageModel
from nca.training.callback import Callback
from nca.training.callbacks import EMA
from nca.training.learner import Learner

SIDE = 32  # pixels, shorter side of the smallest scale: less is nothing to the deepest layers

Size = tuple[int, int]


def sizes(height: int, width: int, smallest: int) -> list[Size]:
    """Height and width of every scale, from one of about ``smallest`` or more to the one given.

    A long and narrow image starts larger, so that its shorter side is not too short.
    """
    count, longer, shorter = 1, max(height, width), min(height, width)
    while longer / 2 ** (count / 2) >= smallest and shorter / 2 ** (count / 2) >= SIDE:
        count += 1
    return [
        (round(height / shrink), round(width / shrink))
        for shrink in (2 ** (i / 2) for i in reversed(range(count)))
    ]


def resize(images: Tensor, size: Size) -> Tensor:
    """Resize images [B, 3, H, W] in [0, 1] smoothly; what is made smaller is blurred first."""
    if images.shape[-2:] == size:
        return images
    smaller = size[0] < images.shape[-2]
    resized = F.interpolate(images, size, mode="bicubic", antialias=smaller, align_corners=False)
    return resized.clamp(0, 1)


class Scales(Callback):
    """Let the image grow when its steps on a scale are done.

    Args:
        sizes: height and width of every scale.
        first: steps on the first scale.
        others: steps on each other scale.
        prepare: called with the number of a scale before its first step, also after a resume.
        ema: the average that the next scale starts from; None: the image as it is.

    Attributes:
        scale: number of the scale that the image has now.
    """

    order = -20
    essential = True
    kept = ("scale",)

    def __init__(
        self,
        sizes: list[Size],
        first: int,
        others: int,
        prepare: Callable[[int], None],
        ema: EMA | None,
    ) -> None:
        self.sizes, self.first, self.others = sizes, first, others
        self.prepare, self.ema = prepare, ema
        self.scale = 0

    @property
    def iterations(self) -> int:
        """Steps on all scales."""
        return self.first + (len(self.sizes) - 1) * self.others

    def before_fit(self, _: Learner) -> None:
        """Prepare the scale that the image has."""
        self.prepare(self.scale)

    def before_batch(self, learner: Learner) -> None:
        """Grow, if it is time."""
        due = (
            0
            if learner.iteration < self.first
            else 1 + (learner.iteration - self.first) // self.others
        )
        while self.scale < min(due, len(self.sizes) - 1):
            self.scale += 1
            self.prepare(self.scale)
            self._grow(learner)

    @torch.no_grad()
    def _grow(self, learner: Learner) -> None:
        model, size = learner.model, self.sizes[self.scale]
        assert isinstance(model, ImageModel)
        if self.ema is not None:
            self.ema.copy_to(model)
        model.show(resize(model().clamp(0, 1), size))
        grow_optimizer(learner.optimizer, model.pixels)
        if self.ema is not None:
            self.ema.restart(model)


def grow_optimizer(optimizer: Optimizer, pixels: nn.Parameter) -> None:
    """Let an optimizer go on with an image of another size.

    Adam's moments are resized; what any other optimizer remembers is forgotten. The loss is a mean,
    so that a pixel's gradient is smaller by as much as there are more of them.
    """
    (before,) = optimizer.param_groups[0]["params"]
    optimizer.param_groups[0]["params"][0] = pixels
    state = optimizer.state.pop(before, {})
    if "exp_avg" not in state:
        return
    mean, square, size = state["exp_avg"], state["exp_avg_sq"], pixels.shape[-2:]
    shrink = mean.shape[-2] * mean.shape[-1] / (size[0] * size[1])
    state["exp_avg"] = shrink * F.interpolate(mean, size, mode="bicubic")
    # Linear, as squares must not become negative.
    state["exp_avg_sq"] = shrink**2 * F.interpolate(square, size, mode="bilinear")
    optimizer.state[pixels] = state
