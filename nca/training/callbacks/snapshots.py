"""Images of a training run: a movie of its progress, and a contact sheet."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from typing_extensions import override

from nca.images import contact_sheet, write_image
from nca.training.callback import Callback
from nca.training.learner import Learner
from nca.training.movie import evenly, import_ffmpeg, write_movie

Snapshot = Callable[[Learner], Image.Image]
"""Draws the current result: samples, an image, a grown texture. The size must not change."""


class Snapshots(Callback):
    """Take images at even intervals during a fit; make a movie and a contact sheet from them.

    A snapshot must not affect training, so it must draw its random numbers from its own generator.

    Args:
        snapshot: draws the current result.
        movie: path of the movie: ``.webp``, ``.gif`` or ``.png``; ``.mp4`` with imageio-ffmpeg.
        sheet: path of the contact sheet: ``.png``, ``.jpg`` or ``.webp``.
        frames: maximum number of frames in the movie, 2 or more.
        stages: maximum number of images on the sheet.
        fps: frames per second.

    Attributes:
        taken: the images so far, as PNG.

    Raises:
        ValueError: neither a movie nor a sheet is given, or ``frames`` is below 2.
        InputError: the movie is an MP4, and imageio-ffmpeg is not installed.
    """

    order = 35
    main_process_only = True

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        movie: Path | None = None,
        sheet: Path | None = None,
        frames: int = 60,
        stages: int = 9,
        fps: float = 15.0,
    ) -> None:
        if movie is None and sheet is None:
            raise ValueError("pictures of a training run need a file: movie, sheet or both")
        if frames < 2:
            raise ValueError(f"frames must be 2 or more, not {frames}")
        if movie is not None and movie.suffix == ".mp4":
            import_ffmpeg()  # fail now, not after hours of training
        self.snapshot, self.movie, self.sheet = snapshot, movie, sheet
        self.frames, self.stages, self.fps = frames, stages, fps
        self.taken: list[bytes] = []

    def before_fit(self, learner: Learner) -> None:
        """Thin out the images taken so far, because a resumed fit may be longer than before."""
        self.taken = evenly(self.taken, self._due(learner))

    def after_batch(self, learner: Learner) -> None:
        """Take an image if the interval has passed."""
        if learner.training and len(self.taken) < self._due(learner):
            data = io.BytesIO()
            self.snapshot(learner).save(data, format="PNG")
            self.taken.append(data.getvalue())

    def cleanup_fit(self, learner: Learner) -> None:
        """Write the files, even after an interruption."""
        if not self.taken:
            return
        if self.sheet is not None:
            with learner.write_failures.warn_on_failure(self.sheet):
                write_image(self.sheet, contact_sheet(_images(evenly(self.taken, self.stages))))
        if self.movie is not None:
            with learner.write_failures.warn_on_failure(self.movie):
                write_movie(self.movie, _images(self.taken), self.fps)

    def _due(self, learner: Learner) -> int:
        return 1 + int(learner.progress * (self.frames - 1))

    def state_dict(self) -> dict[str, Any]:
        """The images so far."""
        pictures = [torch.frombuffer(bytearray(png), dtype=torch.uint8) for png in self.taken]
        return {"taken": pictures}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.taken = [picture.numpy().tobytes() for picture in state["taken"]]


def _images(pictures: list[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(png)).convert("RGB") for png in pictures]
