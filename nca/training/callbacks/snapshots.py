"""The training as images: a movie of it, and a sheet of its stages."""

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
"""Draws what is trained as it is: samples, an image, a grown texture. Always of one size."""


class Snapshots(Callback):
    """Take an image of what is trained at even stages of the fit; make a movie and a sheet.

    A snapshot must not disturb the training: what it draws at random comes from a generator of its
    own.

    Args:
        snapshot: draws what is trained.
        movie: ``.webp``, ``.gif`` or ``.png``; ``.mp4`` with the package imageio-ffmpeg.
        sheet: ``.png``, ``.jpg`` or ``.webp``.
        frames: of the movie, at most; 2 or more.
        stages: images on the sheet, at most.
        fps: frames a second.

    Attributes:
        taken: the images so far, as PNG.

    Raises:
        ValueError: neither a movie nor a sheet is asked for, or there are too few frames.
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
            raise ValueError("pictures of a training need a file: movie, sheet or both")
        if frames < 2:
            raise ValueError(f"frames must be 2 or more, not {frames}")
        if movie is not None and movie.suffix == ".mp4":
            import_ffmpeg()  # hours before it is needed
        self.snapshot, self.movie, self.sheet = snapshot, movie, sheet
        self.frames, self.stages, self.fps = frames, stages, fps
        self.taken: list[bytes] = []

    def before_fit(self, learner: Learner) -> None:
        """If more is trained than was planned, the first part becomes a shorter part."""
        self.taken = evenly(self.taken, self._due(learner))

    def after_batch(self, learner: Learner) -> None:
        """Take an image, if it is time."""
        if learner.training and len(self.taken) < self._due(learner):
            data = io.BytesIO()
            self.snapshot(learner).save(data, format="PNG")
            self.taken.append(data.getvalue())

    def cleanup_fit(self, learner: Learner) -> None:
        """Write the files, also of a training that was cut short."""
        if not self.taken:
            return
        if self.sheet is not None:
            with learner.write_failures.deferred(self.sheet):
                write_image(self.sheet, contact_sheet(_images(evenly(self.taken, self.stages))))
        if self.movie is not None:
            with learner.write_failures.deferred(self.movie):
                write_movie(self.movie, _images(self.taken), self.fps)

    def _due(self, learner: Learner) -> int:
        return 1 + int(learner.progress * (self.frames - 1))

    def state_dict(self) -> dict[str, Any]:
        """The images."""
        pictures = [torch.frombuffer(bytearray(png), dtype=torch.uint8) for png in self.taken]
        return {"taken": pictures}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.taken = [picture.numpy().tobytes() for picture in state["taken"]]


def _images(pictures: list[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(png)).convert("RGB") for png in pictures]
