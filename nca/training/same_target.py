"""A resume goes on with the pictures that it began with, wherever their files are by now."""

import hashlib

from torch import Tensor
from typing_extensions import override

from nca.options import Picture
from nca.training.callback import Callback


class SameTarget(Callback):
    """Put the fingerprint of pictures into the checkpoint; refuse to go on with others.

    Args:
        name: of the pictures, for the words of a refusal.
        parts: their values, of any shape, their files, or pictures themselves.

    Raises:
        ValueError: (when a state is loaded) it is that of other pictures.
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
        """The fingerprint."""
        return {"fingerprint": self.fingerprint}

    @override
    def load_state_dict(self, state: dict[str, str]) -> None:
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(f"{self.name} is another picture than before")
