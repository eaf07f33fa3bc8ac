"""Find the image that most strongly activates a channel of a layer.

Olah, Mordvintsev and Schubert, "Feature Visualization", 2017: the image is parametrized by its
spectrum in decorrelated colors, and is shifted, rotated and zoomed a little in every step, so that
the result does not depend on single pixels.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nca.errors import InputError
from nca.images import to_image, write_png16
from nca.losses.features.base import FeatureExtractor
from nca.losses.features.build import build_features, is_pretrained
from nca.style.settings import VisualizeSettings
from nca.style.train import FILES, RESULT, Styled
from nca.system.threads import torch_threads
from nca.training.adam import Adam
from nca.training.callbacks import Device, Metrics, Plot, Progress, Snapshots, Threads
from nca.training.callbacks.device import choose_device
from nca.training.folder import SETTINGS, prepare_folder, write_settings
from nca.training.learner import Learner
from nca.training.objective import Objective

# Approximate square root of the covariance of the colors of photographs: most of the variation is
# brightness (first column), then orange against blue, then green against magenta.
COLOR_AXES = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
CAPTIONS = {
    RESULT: "the picture",
    "movie.webp": "the progress",
    "loss.png": "negative activation of the channel",
}
CONTRAST = 1.3  # std of the colors before the sigmoid
START = 0.01  # std of the initial spectrum


class Spectrum(nn.Module):
    """A square image, parametrized by its spectrum, scaled to equal power per octave.

    Args:
        size: side in pixels.
        generator: source of the initial values.
    """

    falloff: Tensor
    axes: Tensor

    def __init__(self, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        frequencies = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
        self.register_buffer("falloff", 1 / frequencies.clamp(min=1 / size))
        self.register_buffer("axes", torch.tensor(COLOR_AXES))
        start = torch.randn(1, 3, *frequencies.shape, 2, generator=generator)
        self.waves = nn.Parameter(START * start)

    def forward(self) -> Tensor:
        """The image, [1, 3, S, S] in [0, 1]."""
        spectrum = torch.view_as_complex(self.waves) * self.falloff
        waves = torch.fft.irfft2(spectrum, s=(self.size, self.size), norm="ortho")
        colors = torch.einsum("ij,bjhw->bihw", self.axes, waves)
        # The contrast is fixed, because more contrast would activate any channel more.
        return (CONTRAST * colors / colors.std()).sigmoid()


class Excite(Objective):
    """Activate one channel, under small random shifts, zooms and rotations of the image.

    Args:
        features: extractor of one layer.
        settings: number of the channel, and sizes of the random changes.
        generator: source of the random changes; its state goes into checkpoints.
    """

    def __init__(
        self, features: FeatureExtractor, settings: VisualizeSettings, generator: torch.Generator
    ) -> None:
        self.features, self.settings, self.generator = features, settings, generator

    def predict(self, model: nn.Module, batch: Any) -> Tensor:
        """The image with random changes, [1, 3, S, S]."""
        del batch
        image: Tensor = model()
        return jitter(image, self.settings, self.generator)

    def losses(self, prediction: Tensor, batch: Any) -> dict[str, Tensor]:
        """Negative activation of the channel."""
        del batch
        answer = self.features(prediction, wraps=False)[self.settings.layer]
        return {"excitement": -answer[:, self.settings.channel].float().mean()}

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.generator.set_state(state["generator"])


def jitter(image: Tensor, settings: VisualizeSettings, generator: torch.Generator) -> Tensor:
    """Shift, zoom and rotate an image, [1, 3, S, S], at random, with mirrored borders."""
    across, down, zoom, turn = (2 * torch.rand(4, generator=generator) - 1).tolist()
    factor = 1 + settings.zoom * zoom
    angle = math.radians(settings.rotation * turn)
    pixel = 2 * settings.jitter / image.shape[-1]
    cos, sin = factor * math.cos(angle), factor * math.sin(angle)
    matrix = torch.tensor([[[cos, -sin, pixel * across], [sin, cos, pixel * down]]]).to(image)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)


def visualize(settings: VisualizeSettings) -> Styled:
    """Find the image, and write all results.

    Raises:
        InputError: the folder, the features, the layer or the channel is not usable.
    """
    with torch_threads():
        features = layer_of(settings)
    prepare_folder(settings.out, (*FILES, SETTINGS), overwrite=settings.overwrite)
    write_settings(settings)
    generator = torch.Generator().manual_seed(settings.seed)
    model = Spectrum(settings.size, generator)
    metrics = Metrics(settings.out, every=10)

    def snapshot(learner: Learner) -> Image.Image:
        with torch.no_grad():
            return to_image(learner.model()[0])

    learner = Learner(
        model,
        range(settings.iterations),
        Excite(features, settings, generator),
        Adam(model.parameters(), settings.learning_rate),
        callbacks=[
            Device(choose_device(settings.device)),
            Threads(generator),
            metrics,
            Progress(quiet=settings.quiet),
            Plot(metrics, settings.out / "loss.png", f"{settings.layer}, {settings.channel}"),
            Snapshots(
                snapshot,
                movie=settings.out / "movie.webp",
                sheet=settings.out / "stages.png",
            ),
        ],
    )
    learner.fit()
    with torch.no_grad():
        image = model()
    with learner.write_failures.warn_on_failure(settings.out / RESULT):
        write_png16(settings.out / RESULT, image[0])
    learner.write_failures.check()
    return Styled(settings.out, learner.iteration, learner.seconds, CAPTIONS, image)


@torch.no_grad()
def layer_of(settings: VisualizeSettings) -> FeatureExtractor:
    """Build the extractor of the layer, and check that the channel exists.

    Raises:
        InputError: the layer or the channel does not exist.
    """
    if not is_pretrained(settings.features):
        raise InputError(
            f"`features` {settings.features}: only trained networks can be visualized; use vgg16, "
            f"vgg19, squeezenet1_1, or a file of weights"
        )
    gray = torch.full((1, 3, settings.size, settings.size), 0.5)
    features = build_features(settings.features, gray, taps=(settings.layer,))
    count = features(gray[..., :32, :32], wraps=False)[settings.layer].shape[1]
    if settings.channel >= count:
        raise InputError(
            f"`channel` {settings.channel}: {settings.layer} has channels 0 to {count - 1}"
        )
    return features
