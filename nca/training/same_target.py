"""Refuse to resume a run with different images; moving the image files is fine."""

import hashlib

from torch import Tensor
from typing_extensions import override

from nca.options import Picture
from nca.training.callback import Callback


class SameTarget(Callback):
    """Store a hash of images in the checkpoint; refuse to resume with different images.

    Args:
        name: name of the images in the error message.
        parts: the images, as tensors of any shape, file paths, or in-memory images.

    Raises:
        ValueError: (when a state is loaded) the images differ.
        OSError: a file cannot be read.
    """

    def __init__(self, name: str, *parts: Tensor | Picture) -> None:
        self.name = name
        digest = hashlib.sha256()
        for part in parts:
            if isinstance(part, Tensor):
                digest.update(part.contiguous().numpy().tobytes())
            else:
                digest.update(part.read_bytes())
        self.fingerprint = digest.hexdigest()

    def state_dict(self) -> dict[str, str]:
        """The hash of the images."""
        return {"fingerprint": self.fingerprint}

    @override
    def load_state_dict(self, state: dict[str, str]) -> None:
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(f"{self.name} is not the same image as before")
