"""What a rule is trained for: the one thing in which the kinds of training differ.

A task brings the rule that training starts from, the pool of states, the objective, a score of
finished rules and the pictures for a person. All else (optimizer, schedule, callbacks, checkpoints,
which rule is kept) is the same for all of them: :mod:`nca.texture.train`. A new kind of training is
a new file with a new task.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.images import read_texture, to_image
from nca.losses.texture import TextureLoss, build_texture_loss
from nca.rule import Rule, RuleSettings
from nca.texture.eight_bit import loss_by_state
from nca.texture.objective import GrowTexture
from nca.texture.pool import Pool
from nca.texture.results import pictures_at, write_growth, write_preview
from nca.texture.selection import LongRun, picture_by_picture
from nca.texture.settings import TrainSettings
from nca.texture.start import starting_rule
from nca.training.engine import Engine
from nca.training.objective import Objective

PREVIEW, FILM = "preview.png", "growth.webp"


class Task(ABC):
    """Base of all kinds of training.

    Attributes:
        rule: what is trained, as it starts.
        target: as :meth:`read` gave it, or as the rule should show it.
        pool: what the batches are drawn from.
        objective: what is predicted and lost.
        looks_like: what the pictures for a person are, by the name of their file.
    """

    rule: Rule
    target: Tensor
    pool: Pool
    objective: Objective
    looks_like: ClassVar[dict[str, str]]

    @staticmethod
    @abstractmethod
    def read(settings: TrainSettings) -> Tensor:
        """Read the target.

        Raises:
            InputError: a picture cannot be read or used.
        """

    @abstractmethod
    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """What a plain rule is judged by when it is to be kept."""

    def targets(self) -> list[Image.Image]:
        """The pictures that the rule is to show."""
        return [to_image(self.target)]

    def loss_by_state(self, rule: Rule, seed: int) -> dict[str, float | None]:
        """What coarser states cost, see :mod:`nca.texture.eight_bit`; by default not measured."""
        del rule, seed
        return {}

    @abstractmethod
    def show(self, folder: Path, rule: Rule) -> Image.Image:
        """Write preview and film of the rule that is kept; returns its portrait."""


class Synthesis(Task):
    """One texture from one picture: Niklasson et al., "Self-Organising Textures", Distill 2021.

    Args:
        settings: all of them.
        target: [3, S, S] in [0, 1].
        generator: of all that is drawn.
        engine: tells which of several processes this is.
    """

    looks_like: ClassVar = {
        PREVIEW: "the picture, and the texture after 30, 200 and 2,000 steps",
        FILM: "the texture growing from its seed",
    }

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        self.settings, self.target = settings, target
        self.rule = starting_rule(settings, texture_rule_settings(settings), generator)
        self.pool = Pool(
            self.rule, settings, generator, rank=engine.rank, processes=engine.processes
        )
        self.texture_loss = texture_loss_of(settings, target, generator)
        self.objective = GrowTexture(self.rule, self.texture_loss, settings)

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered square of the picture, [3, S, S]."""
        return read_texture(settings.picture, settings.size)

    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """See :class:`Task`."""
        return [texture_run(rule, self.texture_loss, self.settings.last_grid, seeds)]

    def loss_by_state(self, rule: Rule, seed: int) -> dict[str, float | None]:
        """See :class:`Task`."""
        return loss_by_state(rule, self.texture_loss, self.settings.last_grid, seed)

    def show(self, folder: Path, rule: Rule) -> Image.Image:
        """See :class:`Task`."""
        write_preview(folder / PREVIEW, rule, self.target)
        write_growth(folder / FILM, rule, self.settings.size)
        return pictures_at(rule, 128, (400,))[0]


def texture_run(rule: Rule, texture_loss: TextureLoss, side: int, seeds: range) -> LongRun:
    """A run from the seed of a rule, on a square grid, and how unlike a texture it looks."""

    def distance(state: Tensor) -> Tensor:
        return picture_by_picture(texture_loss, rule.to_rgb(state))

    return LongRun(rule, rule.seed(len(seeds), side, side, seed=seeds.start), distance)


def texture_rule_settings(settings: TrainSettings) -> RuleSettings:
    """Those of a rule for textures that starts from nothing."""
    return RuleSettings(
        channels=settings.channels,
        hidden=settings.hidden,
        padding=settings.padding,
        update_rate=settings.update_rate,
        seed_state="noise" if settings.noise else "zeros",
        noise_level=settings.noise,
    )


def device_of(settings: TrainSettings) -> torch.device:
    """Where the rule is trained.

    Raises:
        InputError: a GPU was asked for, and there is none or the task cannot use it.
    """
    if settings.backend != "cuda":
        return torch.device("cpu")
    if settings.grow or settings.restore or settings.also:
        raise InputError("--backend cuda: trains textures of one picture only; use native or torch")
    if not torch.cuda.is_available():
        raise InputError("--backend cuda: no GPU that torch can use was found; use native or torch")
    return torch.device("cuda")


def texture_loss_of(
    settings: TrainSettings, target: Tensor, generator: torch.Generator
) -> TextureLoss:
    """The texture loss that the settings ask for, of one target, [3, S, S].

    Raises:
        InputError: there are no such features, or the states are too small for them.
    """
    texture_loss = build_texture_loss(
        target[None].to(device_of(settings)),
        settings.features,
        settings.statistic,
        generator,
        weights=settings.layer_weights,
        torus=settings.padding == "circular",
    )
    side = min(settings.grid, settings.last_grid)
    try:
        texture_loss(torch.zeros(1, 3, side, side))
    except RuntimeError as error:
        raise InputError(
            f"--grid {side}: too small for --features {settings.features} with --padding "
            f"{settings.padding}"
        ) from error
    return texture_loss
