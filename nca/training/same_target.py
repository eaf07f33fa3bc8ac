"""A resume goes on with the picture that it began with, wherever the file is by now."""

import hashlib
from pathlib import Path

from torch import Tensor

from nca.training.callback import Callback


class SameTarget(Callback):
    """Put the fingerprint of the target into the checkpoint; refuse to go on with another one.

    Args:
        path: of the picture, for the words of a refusal.
        target: its values, of any shape.

    Raises:
        ValueError: (when a state is loaded) it is that of another picture.
    """

    def __init__(self, path: Path, target: Tensor) -> None:
        self.path = path
        self.fingerprint = hashlib.sha256(target.contiguous().numpy().tobytes()).hexdigest()

    def state_dict(self) -> dict[str, str]:
        """The fingerprint."""
        return {"fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """See above."""
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(f"{self.path} is another picture than before")
