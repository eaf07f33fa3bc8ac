"""Train an image from coarse to fine: the image and the state of its optimizer grow.

Steps are fast at small sizes, where large shapes form. Features see a fixed number of pixels, so at
each scale they see structures of a different size. As in style-transfer-pytorch (Katherine
Crowson), scales differ by the square root of 2, each starts from the average of the previous one,
and Adam's moments are resized instead of reset.
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

SIDE = 32  # pixels, shorter side of the smallest scale; deep layers need at least this

Size = tuple[int, int]


def sizes(height: int, width: int, smallest: int) -> list[Size]:
    """Height and width of every scale, from about ``smallest`` up to the given size.

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
    """Resize images, [B, 3, H, W] in [0, 1], smoothly; they are blurred before they shrink."""
    if images.shape[-2:] == size:
        return images
    smaller = size[0] < images.shape[-2]
    resized = F.interpolate(images, size, mode="bicubic", antialias=smaller, align_corners=False)
    return resized.clamp(0, 1)


class Scales(Callback):
    """Enlarge the image when the steps of a scale are done.

    Args:
        sizes: height and width of every scale.
        first: number of steps at the first scale.
        others: number of steps at each other scale.
        prepare: called with the index of a scale before its first step, and when a run resumes.
        ema: average that the next scale starts from; None: it starts from the image itself.

    Attributes:
        scale: index of the current scale.
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
        """Total number of steps at all scales."""
        return self.first + (len(self.sizes) - 1) * self.others

    def before_fit(self, _: Learner) -> None:
        """Prepare the current scale."""
        self.prepare(self.scale)

    def before_batch(self, learner: Learner) -> None:
        """Enlarge the image if the steps of the scale are done."""
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
    """Adapt an optimizer to an image of another size.

    Adam's moments are resized; the state of other optimizers is reset. The loss is a mean over
    pixels, so the gradient of a pixel shrinks in inverse proportion to their number.
    """
    (before,) = optimizer.param_groups[0]["params"]
    optimizer.param_groups[0]["params"][0] = pixels
    state = optimizer.state.pop(before, {})
    if "exp_avg" not in state:
        return
    mean, square, size = state["exp_avg"], state["exp_avg_sq"], pixels.shape[-2:]
    shrink = mean.shape[-2] * mean.shape[-1] / (size[0] * size[1])
    state["exp_avg"] = shrink * F.interpolate(mean, size, mode="bicubic")
    # Linear interpolation, because squares must not become negative.
    state["exp_avg_sq"] = shrink**2 * F.interpolate(square, size, mode="bilinear")
    optimizer.state[pixels] = state
