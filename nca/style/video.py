"""Paint a video: each frame starts from the previous result, warped by optical flow.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", 2016: where the flow is reliable,
a frame is also pulled toward the warped result, so that strokes follow the objects.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from nca.errors import InputError
from nca.images import check_animation, to_image, to_tensor, write_animation
from nca.losses.term import Term
from nca.losses.tiled import TiledLoss
from nca.options import PictureInMemory
from nca.style.flow import Motion, flicker, import_opencv, motion
from nca.style.losses import Losses
from nca.style.scales import Size
from nca.style.settings import StyleSettings
from nca.style.train import Styled, StyleTraining, stylize
from nca.system.files import write_atomically
from nca.training.callback import Callback
from nca.training.callbacks.device import choose_device
from nca.training.engines.launch import build_engine
from nca.training.job import run
from nca.training.movie import encode_mp4, import_ffmpeg
from nca.viewer.files.video_input import Ffmpeg

VIDEOS = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v")
STEADY = 100.0  # weight of the difference from the warped previous result


@dataclass(frozen=True)
class StyledVideo:
    """Result of the style transfer of a video.

    Attributes:
        path: the video file.
        frames: number of frames.
        seconds: time for all frames.
        flicker: see :func:`nca.style.flow.flicker`.
    """

    path: Path
    frames: int
    seconds: float
    flicker: float

    def __str__(self) -> str:
        return (
            f"{self.frames} frames in {self.seconds:.0f} s, flicker {self.flicker:.4f}: {self.path}"
        )


def paint(settings: StyleSettings) -> Styled | StyledVideo:
    """Paint an image, or a video if the content has the extension of a video file."""
    if isinstance(settings.content, Path) and settings.content.suffix.lower() in VIDEOS:
        return stylize_video(settings)
    return stylize(settings)


def stylize_video(settings: StyleSettings) -> StyledVideo:
    """Paint all frames; after an interruption, write the frames painted so far.

    Raises:
        InputError: an input, a setting or the output is not usable, or an extra is missing.
    """
    path = _checked(settings)
    assert isinstance(settings.content, Path)
    frames, fps = read_frames(settings.content, settings.scales.size)
    started = time.monotonic()
    painted: list[Image.Image] = []
    last: Last | None = None
    differences: list[float] = []
    try:
        for frame in tqdm(frames, unit="frame", disable=settings.run.quiet):
            last = paint_frame(settings, frame, last)
            painted.append(to_image(last.result[0]))
            if last.change is not None:
                differences.append(last.change)
    finally:
        if painted:
            write_film(path, painted, fps)
    mean = sum(differences) / max(len(differences), 1)
    return StyledVideo(path, len(painted), time.monotonic() - started, mean)


@dataclass(frozen=True)
class Last:
    """A painted frame.

    Attributes:
        frame, result: the input frame and the painted frame, [1, 3, H, W] in [0, 1].
        losses: the losses of this frame; the next frame uses the same features.
        change: flicker relative to the previous frame; None for the first frame.
    """

    frame: Tensor
    result: Tensor
    losses: Losses
    change: float | None


def paint_frame(settings: StyleSettings, frame: Image.Image, last: Last | None) -> Last:
    """Paint one frame: the first one at all scales, all others at the last scale only."""
    scales = settings.scales
    values: dict[str, Any] = {"content": PictureInMemory(frame, settings.content.name), "out": None}
    if last is not None:
        values |= {"smallest": scales.size, "first_iterations": scales.iterations}
    settings = settings.override(**values, overwrite=False)
    content = to_tensor(frame)[None]
    moved = None if last is None else motion(last.frame, content)
    made: list[FrameTraining] = []

    def prepare(state: Mapping[str, Any] | None) -> FrameTraining:
        device = choose_device(settings.optimization.device)
        engine = build_engine(settings.optimization.precision, device, state)
        made.append(FrameTraining(settings, engine, last, moved))
        return made[0]

    result = run(settings, prepare).image.cpu()
    change = None
    if last is not None and moved is not None:
        change = flicker([last.result, result], [moved])
    return Last(content, result, made[0].losses, change)


class FrameTraining(StyleTraining):
    """The style transfer of one frame.

    Args:
        settings, engine: see :class:`~nca.style.train.StyleTraining`.
        last: the previous frame; None for the first frame.
        moved: motion from the previous frame; None for the first frame.
    """

    def __init__(
        self, settings: StyleSettings, engine: Any, last: Last | None, moved: Motion | None
    ) -> None:
        self.last, self.steady = last, None
        if last is not None and moved is not None:
            self.steady = Steady(moved.warp(last.result), moved.reliable)
        super().__init__(settings, engine)

    @override
    def _losses(self, generator: torch.Generator) -> Losses:
        losses = super()._losses(generator)
        if self.last is not None:
            losses.share_features(self.last.losses)
        return losses

    @override
    def _watchers(self) -> list[Callback]:
        return []  # the video has a progress bar of its own

    @override
    def _start(self, size: Size) -> Tensor:
        start = super()._start(size)
        return start if self.steady is None else self.steady.where_reliable(start)

    @override
    def _prepare(self, scale: int) -> None:
        super()._prepare(scale)
        loss = self.objective.loss
        loss = loss.loss if isinstance(loss, TiledLoss) else loss
        if self.steady is not None and not any(self.steady is term for term in loss.pixels):
            loss.pixels = [*loss.pixels, self.steady]


class Steady(Term):
    """Squared difference from the warped previous result, where the flow is reliable.

    Args:
        image: the warped previous result, [1, 3, H, W] in [0, 1].
        reliable: 1 where images are compared with it, otherwise 0, [1, 1, H, W].
    """

    def __init__(self, image: Tensor, reliable: Tensor) -> None:
        self.image, self.reliable = image, reliable

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        difference = (images - self.image.to(images)).square()
        return {"steady": STEADY * (self.reliable.to(images) * difference).mean((1, 2, 3))}

    def where_reliable(self, images: Tensor) -> Tensor:
        """The warped result where it is reliable, and ``images`` elsewhere."""
        reliable = self.reliable.to(images)
        return reliable * self.image.to(images) + (1 - reliable) * images


def read_frames(path: Path, side: int) -> tuple[list[Image.Image], float]:
    """Read the frame rate of a video, and its frames, scaled to fit a square of ``side`` pixels.

    Returns:
        The frames, and the number of frames per second.

    Raises:
        InputError: ffmpeg is missing, or cannot read the file.
    """
    if not path.is_file():
        raise InputError(f"there is no video {path}")
    source = Ffmpeg(str(path), (side, side), [])
    frames = list(source.whole_frames())
    if not frames:
        raise InputError(f"{path} has no frames")
    return frames, source.fps


def write_film(path: Path, frames: list[Image.Image], fps: float) -> None:
    """Write frames as ``.mp4``, or as a looping animation."""
    if path.suffix.lower() == ".mp4":
        write_atomically(path, encode_mp4(frames, fps))
    else:
        write_animation(path, frames, fps)


def _checked(settings: StyleSettings) -> Path:
    """Check everything that can be checked early, and return the output file."""
    path = settings.out
    if path is None or path.suffix.lower() != ".mp4":
        check_animation(path or Path())
    assert path is not None
    if path.exists() and not settings.run.overwrite:
        raise InputError(f"{path} exists already; use `overwrite`")
    if settings.run.resume:
        raise InputError("`resume`: a video cannot be resumed")
    import_opencv()
    import_ffmpeg()
    return path
