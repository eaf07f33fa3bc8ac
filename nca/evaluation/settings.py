"""Settings of the evaluation, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError

LEAST_SIZE, LARGEST_SIZE = 64, 1024


@dataclass(frozen=True)
class EvalSettings:
    """Measure how close the texture of a rule comes to a picture, and how it holds out.

    Writes one HTML report and the same figures as JSON.
    """

    rule: Annotated[Path, tyro.conf.Positional]
    """The rule file."""
    target: Path
    """The picture it shall look like; its centered square is used."""
    out: Path = Path("report.html")
    """The report."""
    json: Path | None = None
    """The figures; default beside the report."""
    peer: Path | None = None
    """Another rule for the same picture, measured alike."""
    features: tuple[str, ...] = ()
    """More features to compare by: vgg16, vgg19, squeezenet1_1, or .safetensors files."""
    noise: float | None = None
    """Width of the noise that the rule grows from; default its own. A rule of several pictures (nca
    train --also) grows the first from 0 and the last from 1."""
    peer_noise: float | None = None
    """The same of the peer."""
    size: int | None = None
    """Side of the square that the picture is scaled to, and of the grids; default what the rule was
    trained at, or 128 where its file does not tell."""
    steps: int = 100_000
    """Steps of the longest run."""
    seed: int = 1000
    """Of the first run; training uses small ones."""
    overwrite: bool = False
    """Replace the report."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        bounds: dict[str, tuple[int, int]] = {
            "size": (LEAST_SIZE, LARGEST_SIZE),
            "steps": (1000, 10**7),
            "noise": (0, 100),
            "peer_noise": (0, 100),
        }
        for name, (least, most) in bounds.items():
            value, flag = getattr(self, name), name.replace("_", "-")
            if value is not None and not least <= value <= most:
                raise InputError(f"--{flag} {value}: must be {least} to {most}")
        if self.peer_noise is not None and self.peer is None:
            raise InputError(f"--peer-noise {self.peer_noise}: there is no --peer")
