"""Make sheets of samples, and movies of how samples are denoised."""

from PIL import Image
from torch import Tensor

from nca.ddpm.diffusion.sampling_loop import Step
from nca.images import contact_sheet, to_image
from nca.training.movie import evenly

SHEET = 640  # approximate side of a sheet, in pixels
FRAMES = 60


def sheet(images: Tensor, columns: int | None = None) -> Image.Image:
    """Arrange samples in a grid, enlarged so that pixels are visible.

    Args:
        images: [B, C, H, W] in about [-1, 1].
        columns: number of columns; by default the grid is nearly square.
    """
    across = columns or round(len(images) ** 0.5)
    scale = max(1, round(SHEET / (across * images.shape[-1])))
    return contact_sheet([enlarged(image, scale) for image in images], columns)


def enlarged(image: Tensor, scale: int) -> Image.Image:
    """Convert [C, H, W] in about [-1, 1] to an image that is enlarged by the factor ``scale``."""
    pixels = to_image(((image + 1) / 2).expand(3, -1, -1))
    width, height = pixels.size
    return pixels.resize((scale * width, scale * height), Image.Resampling.NEAREST)


class Movie:
    """Records a sampler; each frame shows the noised images beside the estimates."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        """Record a step."""
        self.steps.append(Step(step.index, step.sigma, step.x.cpu(), step.denoised.cpu()))

    def frames(self, result: Tensor) -> list[Image.Image]:
        """Make at most 60 frames; the last one shows the result on both sides."""
        shown = evenly(self.steps, FRAMES - 1)
        pairs = [(_scaled(step.x, step.sigma), step.denoised) for step in shown]
        return [_side_by_side(left, right) for left, right in [*pairs, (result, result)]]


def _scaled(x: Tensor, sigma: float) -> Tensor:
    """Scale noised images to a contrast that a screen can show."""
    return x * float((1 + sigma**2) ** -0.5)


def _side_by_side(left: Tensor, right: Tensor) -> Image.Image:
    a, b = sheet(left), sheet(right)
    gap = a.width // 16
    frame = Image.new("RGB", (a.width + gap + b.width, a.height), "white")
    frame.paste(a, (0, 0))
    frame.paste(b, (a.width + gap, 0))
    return frame
