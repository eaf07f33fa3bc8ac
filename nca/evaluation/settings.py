"""Settings of the evaluation, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError
from nca.options import Between, Bounded

LEAST_SIZE, LARGEST_SIZE = 64, 1024


@dataclass(frozen=True)
class EvalSettings(Bounded):
    """Measure how close the texture of a rule comes to an image, and how stable it is.

    Writes one HTML report and the same figures as JSON.
    """

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    target: Path
    """The target image; its centered square is used. For a vote also a folder of images."""
    out: Path = Path("report.html")
    """The report."""
    json: Path | None = None
    """The figures; default beside the report."""
    peer: Path | None = None
    """Another rule for the same image, measured too."""
    vote: Path | None = None
    """Instead, write this page: people choose which of two rules, images or folders is better."""
    features: tuple[str, ...] = ()
    """More features to compare by: vgg16, vgg19, squeezenet1_1, or .safetensors files."""
    noise: Annotated[float | None, Between(0, 100)] = None
    """Width of the initial noise; None: the rule's own. It selects a picture of --also."""
    peer_noise: Annotated[float | None, Between(0, 100)] = None
    """The same for the peer."""
    size: Annotated[int | None, Between(LEAST_SIZE, LARGEST_SIZE)] = None
    """Side of the scaled target and of the grids; None: that of the training, or 128."""
    steps: Annotated[int, Between(1000, 10**7)] = 100_000
    """Steps of the longest run."""
    seed: int = 1000
    """Random seed of the first run; training uses small ones."""
    overwrite: bool = False
    """Replace the report."""
    other: Annotated[Path | None, tyro.conf.Positional] = None
    """The same as --peer."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.peer is not None and self.other is not None:
            raise InputError(f"`peer` {self.peer}: the peer is {self.other} already")
        if self.peer_noise is not None and self.second is None:
            raise InputError(f"`peer_noise` {self.peer_noise}: needs a `peer`")
        if self.vote is not None and self.second is None:
            raise InputError(f"`vote` {self.vote}: needs a `peer` to compare with")

    @property
    def second(self) -> Path | None:
        """The peer, if there is one."""
        return self.peer or self.other
