"""Settings of the evaluation, without heavy imports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nca.errors import InputError


@dataclass(frozen=True)
class EvalSettings:
    """Measure how close a rule comes to a picture, and how it holds out.

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
    size: int = 128
    """Side of the square that the picture is scaled to, and of the grids."""
    steps: int = 100_000
    """Steps of the longest run."""
    seed: int = 1000
    """Of the first run; training uses small ones."""
    overwrite: bool = False
    """Replace the report."""

    def __post_init__(self) -> None:
        """Refuse values out of range before any work starts."""
        for name, least, most in (("size", 64, 1024), ("steps", 1000, 10**7)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"--{name} {getattr(self, name)}: must be {least} to {most}")
