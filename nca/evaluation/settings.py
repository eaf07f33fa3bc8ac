"""Evaluation settings, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError
from nca.options import NAMES, RULE, Between, Bounded, RulePath

MIN_SIZE, MAX_SIZE = 64, 1024


@dataclass(frozen=True)
class EvalSettings(Bounded):
    """Measure how close a rule's texture comes to an image, and how stable it is.

    The results are an HTML report, and the same figures as JSON.
    """

    rule: tyro.conf.Positional[RulePath]
    """A rule file, or the name of a bundled rule."""
    target: Path
    """Image (its central square), or folder of maps; with --vote, also a folder of images."""
    out: Path = Path("report.html")
    """File for the HTML report."""
    json: Path | None = None
    """JSON file for the figures; default: a file beside the report."""
    peer: Annotated[RulePath | None, RULE] = None
    """Another rule for the same image, for comparison."""
    vote: Path | None = None
    """File for a page on which people vote between two rules, images or folders; no report."""
    features: Annotated[tuple[str, ...], NAMES] = ()
    """Additional features for the losses: vgg16, vgg19, squeezenet1_1, or weights files."""
    noise: Annotated[float | None, Between(0, 100)] = None
    """Strength of the initial noise, which selects a texture; default: as in the rule file."""
    peer_noise: Annotated[float | None, Between(0, 100)] = None
    """Strength of the initial noise for the peer; default: as in its file."""
    size: Annotated[int | None, Between(MIN_SIZE, MAX_SIZE)] = None
    """Width and height of target and textures, in pixels; default: as in training, or 128."""
    steps: Annotated[int, Between(1000, 10**7)] = 100_000
    """Number of steps in the longest run."""
    seed: int = 1000
    """Random seed of the first run; it is large so that it differs from training seeds."""
    overwrite: bool = False
    """Replace an earlier report."""
    other: Annotated[RulePath | None, tyro.conf.Positional] = None
    """Another rule for the same image, in place of --peer."""

    def __post_init__(self) -> None:
        """Check values."""
        super().__post_init__()
        if self.peer is not None and self.other is not None:
            raise InputError(f"`peer` {self.peer}: the peer is already {self.other}; give only one")
        if self.peer_noise is not None and self.second is None:
            raise InputError(f"`peer_noise` {self.peer_noise}: needs a `peer`")
        if self.vote is not None and self.second is None:
            raise InputError(f"`vote` {self.vote}: needs a `peer` to compare with")

    @property
    def second(self) -> Path | None:
        """The peer, if there is one."""
        return self.peer or self.other
