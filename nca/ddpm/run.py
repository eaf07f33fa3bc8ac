"""A trained model, from its checkpoint alone: the checkpoint carries the settings too."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nca.ddpm.data import Pictures
from nca.ddpm.denoiser import Clipped, Denoise, Denoiser
from nca.ddpm.guidance import ClassFree
from nca.ddpm.schedules import Schedule, build_schedule
from nca.ddpm.settings import TrainSettings, ddpm_settings
from nca.ddpm.targets import Target, build_target
from nca.ddpm.unet import build_unet
from nca.errors import InputError
from nca.options import flatten
from nca.training.callback import Callback
from nca.training.callbacks import EMA, load_checkpoint
from nca.training.folder import CHECKPOINT
from nca.training.learner import checked_count

LARGEST_SIDE = 8192  # pixels


@dataclass(frozen=True)
class Facts:
    """What a model has to know of the pictures it was trained on.

    Attributes:
        colors: channels, 1 or 3.
        side: in pixels.
        deviation: of all values.
        names: of the classes.
    """

    colors: int
    side: int
    deviation: float
    names: tuple[str, ...]

    @classmethod
    def of(cls, pictures: Pictures) -> "Facts":
        """Those of some pictures."""
        return cls(
            pictures.images.shape[1],
            pictures.images.shape[-1],
            pictures.deviation,
            pictures.names,
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """[C, H, W] of a picture."""
        return self.colors, self.side, self.side


class Model:
    """A net and what its outputs mean.

    Args:
        settings: it is trained with.
        facts: of the pictures.

    Raises:
        InputError: the settings ask for classes, and the pictures have none.
    """

    def __init__(self, settings: TrainSettings, facts: Facts) -> None:
        if settings.pictures.classes and not facts.names:
            raise InputError("`classes`: the pictures have none; put them into subfolders")
        self.settings, self.facts = settings, facts
        self.classes = len(facts.names) if settings.pictures.classes else None
        self.schedule: Schedule = build_schedule(
            settings.diffusion.schedule, settings.diffusion.noise_steps
        )
        self.target: Target = build_target(settings.diffusion.target, facts.deviation)
        self.net: nn.Module = build_unet(settings, facts.colors, self.classes)

    def denoiser(self, labels: Tensor | None = None, guidance: float = 1.0) -> Denoise:
        """The net as a denoiser; nothing that it gives leaves [-1, 1].

        Args:
            labels: [B] classes that are asked for; by default none.
            guidance: how strongly they are insisted on.

        Raises:
            InputError: there are labels, and the net knows of no classes.
        """
        if labels is not None and self.classes is None:
            raise InputError("`label`: the model was not trained with `classes`")

        def told(labels: Tensor | None) -> Denoiser:
            return Denoiser(self.net, self.schedule, self.target, labels)

        if labels is None:
            return Clipped(Unconditional(told, self.classes))
        if guidance == 1:
            return Clipped(told(labels))
        nothing = torch.full_like(labels, self.classes or 0)
        return Clipped(ClassFree(told(labels), told(nothing), guidance))


class Unconditional:
    """A net that may know classes, told none."""

    def __init__(self, told: Any, classes: int | None) -> None:
        self.told, self.classes = told, classes

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """See :class:`~nca.ddpm.denoiser.Denoise`."""
        labels = None if self.classes is None else x.new_full((len(x),), self.classes).long()
        result: Tensor = self.told(labels)(x, sigma)
        return result


class About(Callback):
    """Puts settings and facts into the checkpoint, so that it can be read without anything else."""

    def __init__(self, settings: TrainSettings, facts: Facts) -> None:
        own = json.dumps(flatten(settings), default=str)  # with the path of the pictures, for FID
        self.state = {"settings": own, "facts": json.dumps(asdict(facts))}

    def state_dict(self) -> dict[str, str]:
        """Both, as JSON."""
        return self.state


@dataclass(frozen=True)
class Run:
    """What a checkpoint holds.

    Attributes:
        path: of the checkpoint.
        model: with the averaged weights, ready to draw samples.
        iterations, seconds: of training.
    """

    path: Path
    model: Model
    iterations: int
    seconds: float


def load_run(path: Path) -> Run:
    """Read a checkpoint, or that of a folder.

    Raises:
        InputError: there is none, or it is not of a diffusion model.
    """
    path = path / CHECKPOINT if path.is_dir() else path
    state = load_checkpoint(path)
    try:
        about = state["callbacks"]["About"]
        settings = json.loads(about["settings"])
        facts = _read_facts(json.loads(about["facts"]))
        model = Model(_read_settings(settings), facts)
        model.net.load_state_dict(state["model"])
        average = EMA(0)
        average.load_state_dict(state["callbacks"]["EMA"])
        average.copy_to(model.net)
        counts = state["counts"]
        iterations, seconds = (checked_count(counts, name) for name in ("iteration", "seconds"))
    except Exception as error:  # of a damaged state, any part may be of any type
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is not of a diffusion model that this program made: {text}"
        ) from error
    model.net.eval().requires_grad_(False)
    return Run(path, model, iterations, seconds)


def _read_facts(values: dict[str, Any]) -> Facts:
    facts = Facts(**values | {"names": tuple(values["names"])})
    if (
        facts.colors not in (1, 3)
        or type(facts.side) is not int
        or not 1 <= facts.side <= LARGEST_SIDE
        or not 0 <= facts.deviation < math.inf
        or not all(isinstance(name, str) for name in facts.names)
    ):
        raise ValueError(f"no pictures are like {facts}")
    return facts


def _read_settings(values: dict[str, Any]) -> TrainSettings:
    values["channels"] = tuple(values["channels"])
    return ddpm_settings(**values)
