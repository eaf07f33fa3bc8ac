"""Paint a picture: everything between the settings and the results."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from PIL import Image
from torch import Tensor

from nca.color_profiles import Profile, convert
from nca.errors import InputError
from nca.images import to_image, write_png16
from nca.style.colors import gray, match_luminance, transfer_colors, with_colors_of
from nca.style.image import ImageModel, Project
from nca.style.lbfgs import LBFGS
from nca.style.losses import Losses, Pictures
from nca.style.objective import Stylize
from nca.style.photos import read_mask, read_photo, read_style
from nca.style.scales import Scales, Size, resize, sizes
from nca.style.settings import Movie, OptimizerSettings, StyleSettings
from nca.threads import torch_threads
from nca.training.callback import Callback
from nca.training.callbacks import (
    EMA,
    Checkpoint,
    Device,
    LivePage,
    Metrics,
    NaNGuard,
    Plot,
    Progress,
    Threads,
)
from nca.training.callbacks import Pictures as Stages
from nca.training.engine import Autocast, Engine, bfloat16_is_fast
from nca.training.folder import (
    CHECKPOINT,
    SETTINGS,
    open_folder,
    write_settings,
)
from nca.training.learner import Learner
from nca.training.same_target import SameTarget

RESULT = "result.png"
MOVIES = tuple(f"movie.{kind}" for kind in get_args(Movie))
RESULTS = (RESULT, *MOVIES, "stages.png", "loss.png", "metrics.jsonl", "metrics.csv",
           "live.html", CHECKPOINT, SETTINGS)  # fmt: skip
WORTH_A_LOOK = {
    RESULT: "the picture",
    "stages.png": "how it was painted; as a movie beside it",
    "loss.png": "loss curves (raw values in metrics.jsonl)",
}
LIMITS = ("out", "resume", "overwrite", "quiet")
SHOWN = 512  # pixels, longer side of the pictures of the way
DOWNLOADS = (
    "builtin features know colors and strokes; --features squeezenet1_1 (5 MB, fetched once) or "
    "vgg19 (548 MB) know larger shapes of the style too"
)


@dataclass(frozen=True)
class Styled:
    """What a style transfer gave.

    Attributes:
        folder: where the results are.
        image: [1, 3, H, W] in [0, 1].
        iterations, seconds: of training.
        results: what files there are in the folder for a person, and what they are.
    """

    folder: Path
    image: Tensor
    iterations: int
    seconds: float
    results: dict[str, str]


def stylize(settings: StyleSettings) -> Styled:
    """Paint, and write all results.

    Raises:
        InputError: a picture, the folder or a setting is not usable.
        FailedError: a result could not be written; the others have been.
        KeyboardInterrupt: Ctrl-C; a checkpoint and the picture so far have been written.
    """
    with torch_threads():  # first: nothing is cleared for pictures that cannot be read
        training = StyleTraining(settings)
    state = open_folder(settings, RESULTS, LIMITS)
    if state is not None:
        training.learner.load_state_dict(state)
    if settings.net.features == "builtin" and not settings.run.resume:
        print(DOWNLOADS, file=sys.stderr)
    write_settings(settings)
    return training.fit()


class StyleTraining:
    """A learner with everything that a painting needs around it.

    Args:
        settings: all of them.

    Raises:
        InputError: a picture or a setting is not usable.
    """

    def __init__(self, settings: StyleSettings) -> None:
        self.settings = settings
        device = Device()
        self.photo, self.profile = read_photo(settings.content, settings.scales.size, enlarge=True)
        self.photo = self.photo.to(device.device)
        self.pictures = read_pictures(settings, self.photo, self.profile)
        generator = torch.Generator().manual_seed(settings.run.seed)
        scales = sizes(self.photo.shape[-2], self.photo.shape[-1], settings.scales.smallest)
        self.losses = Losses(settings, self.pictures, generator)
        self.objective = Stylize(generator)
        model = ImageModel(self._start(scales[0]), settings.optimization.box)
        self.ema = EMA(settings.optimization.average) if settings.optimization.average else None
        self.scales = Scales(
            scales,
            settings.scales.first_iterations,
            settings.scales.iterations,
            self._prepare,
            self.ema,
        )
        metrics = Metrics(settings.out, every=10)
        callbacks: list[Callback] = [
            device,
            Threads(generator),
            self.scales,
            NaNGuard(),
            _same_pictures(settings),
            metrics,
            Progress(quiet=settings.run.quiet),
            Plot(metrics, settings.out / "loss.png", settings.content.name),
            Stages(
                self._snapshot,
                movie=settings.out / f"movie.{settings.movie}",
                sheet=settings.out / "stages.png",
            ),
            LivePage(
                settings.out / "live.html",
                {"the picture so far": self._snapshot},
                metrics,
                title=settings.content.name,
            ),
            Checkpoint(settings.out / CHECKPOINT),
        ]
        if settings.optimization.box == "projection":
            callbacks.append(Project())
        if self.ema is not None:
            callbacks.append(self.ema)
        self.learner = Learner(
            model,
            range(self.scales.iterations),
            self.objective,
            _optimizer(settings.optimization, model),
            engine=_engine(settings),
            callbacks=callbacks,
        )
        self._prepared = -1
        # What is wrong with a layer or a mask is told before anything is written.
        self._prepare(0)

    def fit(self) -> Styled:
        """Train; write the picture, also if that is cut short.

        Raises:
            FailedError: naming what could not be written, after everything else has been.
        """
        path = self.settings.out / RESULT
        try:
            self.learner.fit()
        finally:
            if self.learner.iteration:
                with self.learner.unwritten.going_on(path):
                    write_png16(path, self.result()[0], self.profile)
        self.learner.unwritten.check()
        return Styled(
            self.settings.out,
            self.result(),
            self.learner.iteration,
            self.learner.seconds,
            WORTH_A_LOOK,
        )

    @torch.no_grad()
    def result(self) -> Tensor:
        """The picture as it is now, [1, 3, H, W] in [0, 1]: averaged, with the colors asked for."""
        model = self.learner.model
        image: Tensor
        if self.ema is None or not self.ema.weights:
            image = model()
        else:
            with self.ema.averaged(model):
                image = model().clone()
        image = image.detach().clamp(0, 1)
        if self.settings.masks.colors == "luminance":
            image = with_colors_of(image, resize(self.photo, (image.shape[-2], image.shape[-1])))
        return image

    def _prepare(self, scale: int) -> None:
        """Make the loss of a scale; what that draws is the same whenever it is done."""
        if scale == self._prepared:
            return
        self._prepared = scale
        generator = self.objective.generator
        before = generator.get_state()
        generator.manual_seed(self.settings.run.seed + scale)
        with self.learner.engine.precision():
            self.objective.loss = loss = self.losses.at(self.scales.sizes[scale])
            if scale == 0 and self.pictures.regions:
                with torch.no_grad():
                    loss(self.learner.model())
        generator.set_state(before)

    def _start(self, size: Size) -> Tensor:
        start, settings = self.settings.initial.start, self.settings
        styles = self.pictures.styles
        if start.startswith("style") and not styles:
            raise InputError(f"`start` {start}: there is no style; take content, noise or gray")
        generator = torch.Generator().manual_seed(settings.run.seed)
        if start == "noise":
            return torch.rand(1, 3, *size, generator=generator).to(self.photo)
        if start == "style-noise":
            noise = torch.rand(1, 3, *size, generator=generator).to(self.photo)
            return transfer_colors(noise, torch.cat([s.flatten(2) for s in styles], 2)[..., None])
        if start == "gray":
            image = torch.full((1, 3, *size), 0.5).to(self.photo)
        elif start == "content":
            image = resize(self.pictures.content, size)
        elif start == "style":
            image = resize(styles[0], size)
        else:
            photo, _ = read_photo(Path(start), max(size), enlarge=True)
            image = resize(photo.to(self.photo), size)
        if not settings.initial.start_noise:
            return image
        noise = torch.randn(1, 3, *size, generator=generator).to(image)
        return (image + settings.initial.start_noise * noise).clamp(0, 1)

    def _snapshot(self, _: Learner) -> Image.Image:
        height, width = self.photo.shape[-2:]
        shrink = min(1.0, SHOWN / max(height, width))
        shown = resize(self.result(), (round(height * shrink), round(width * shrink)))
        return convert(to_image(shown[0]), self.profile, None)


def read_pictures(settings: StyleSettings, photo: Tensor, profile: Profile) -> Pictures:
    """Read everything but the content itself, and change colors as asked.

    Raises:
        InputError: a file is not usable.
    """
    size = (photo.shape[-2], photo.shape[-1])
    side = max(8, round(settings.scales.size * settings.masks.style_scale))
    styles = [read_style(path, side, profile).to(photo) for path in settings.styles]
    content = photo
    if settings.masks.colors == "luminance":
        content = gray(photo)
        styles = [match_luminance(style, photo) for style in styles]
    elif settings.masks.colors == "linear":
        styles = [transfer_colors(style, photo) for style in styles]
    image = content
    if settings.pixels.image is not None:
        image = resize(read_style(settings.pixels.image, max(size), profile).to(photo), size)
    regions = [read_mask(path, size).to(photo.device) for path in settings.masks.content_masks]
    masks = [
        read_mask(path, (style.shape[-2], style.shape[-1])).to(photo.device)
        for path, style in zip(settings.masks.style_masks, styles, strict=False)
    ]
    return Pictures(content, styles, image, regions, masks)


def _same_pictures(settings: StyleSettings) -> SameTarget:
    masks = (*settings.masks.content_masks, *settings.masks.style_masks)
    image = () if settings.pixels.image is None else (settings.pixels.image,)
    paths = (settings.content, *settings.styles, *image, *masks)
    return SameTarget(" or ".join(map(str, paths)), *paths)


def _optimizer(settings: OptimizerSettings, model: ImageModel) -> torch.optim.Optimizer:
    if settings.optimizer == "lbfgs":
        return LBFGS(model.parameters())
    return torch.optim.Adam(
        model.parameters(), settings.learning_rate, betas=settings.betas, eps=settings.epsilon
    )


def _engine(settings: StyleSettings) -> Engine:
    wanted = settings.optimization.precision
    if wanted == "bfloat16" or (wanted == "auto" and bfloat16_is_fast()):
        return Autocast()
    return Engine()
