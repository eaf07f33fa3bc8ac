"""What a rule is trained for: the one way in which trainings differ.

A task brings the initial rule, the pool of states, the distance of a state from what it should be,
and the images to look at. Optimizer, schedule, callbacks, checkpoints and the choice of the rule
that is kept are the same for all tasks: :mod:`nca.texture.train`. A new task is a new file and a
line in :mod:`nca.texture.tasks`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.images import to_image
from nca.losses.build import build_loss
from nca.losses.graphed import graphed
from nca.losses.prompt import PromptLoss, load_clip
from nca.losses.term import Term
from nca.rule import Rule, RuleSettings
from nca.texture.pool import Pool
from nca.texture.results import RulePreview
from nca.texture.settings import TrainSettings
from nca.texture.starting_rule import starting_rule
from nca.training.callbacks.device import choose_device
from nca.training.engines import Engine

PREVIEW, FILM = "preview.png", "growth.webp"
SCORE_SEED = 0


@dataclass(frozen=True)
class LongRun:
    """States that a rule runs from when it is judged.

    Attributes:
        rule: the rule.
        state: [B, C, H, W], one for each seed.
        target: what the states are compared with, as :meth:`Task.distance` takes it.
    """

    rule: Rule
    state: Tensor
    target: Tensor


class Task(ABC):
    """Base of all tasks.

    Args:
        settings: all of them.
        target: as :meth:`read` returned it.
        generator: source of all random numbers.
        engine: its rank and number of processes divide the batches.

    Attributes:
        rule: the initial rule, which is trained.
        target: the target.
        pool: source of the batches.
        pictures: what the images in the output folder show, by file name.
        caps_gradients: whether the gradients of the distance may be capped.
    """

    rule: Rule
    pool: Pool
    pictures: ClassVar[dict[str, str]]
    caps_gradients: ClassVar[bool] = False

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        self.settings, self.target, self.generator = settings, target, generator
        self.rule = starting_rule(settings, generator, self.rule_settings(), **self.new_rule())
        self.rule.to(device_of(settings))
        self.pool = self.make_pool(
            simulate=self.run_long, rank=engine.rank, processes=engine.processes
        )
        self.prompt_term = prompt_term(settings, generator)

    @staticmethod
    @abstractmethod
    def read(settings: TrainSettings) -> Tensor:
        """Read the target.

        Raises:
            InputError: an image cannot be read or used.
        """

    def rule_settings(self) -> RuleSettings:
        """Settings of the rule: those of a texture by default."""
        options = self.settings.rule
        return RuleSettings(
            channels=options.channels,
            hidden=options.hidden,
            padding=options.padding,
            update_rate=options.update_rate,
            start="noise" if options.noise else "zeros",
            noise_level=options.noise,
        )

    def new_rule(self) -> dict[str, Any]:
        """Arguments of a new rule beside its settings: ``filters``, ``update_bias``."""
        return {}

    def make_pool(self, **shared: Any) -> Pool:
        """The pool; called once the rule is there.

        Args:
            shared: keyword arguments of every :class:`~nca.texture.pool.Pool`.
        """
        return Pool(self.rule, self.settings.pool, self.generator, **shared)

    def run_long(self, state: Tensor, steps: int, seed: int) -> Tensor:
        """States of the rule as it is now, some steps later, [B, C, H, W]."""
        (old,) = simulate(self.rule.with_settings(), state, [steps], seed=seed)
        return old

    # ---- how far a state is from what it should be ---------------------------------------------

    @abstractmethod
    def compare(self, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Terms of the task's own distance, weights included: name -> [B].

        Args:
            state: [B, C, H, W].
            target: as :meth:`compared_with` returns it.
        """

    def compared_with(self, index: Tensor) -> Tensor:
        """What states of the pool are compared with, by their places, [B]: those, by default."""
        return index

    def distance(self, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """All terms of the distance, prompt included: name -> [B]; see :meth:`compare`."""
        terms = self.compare(state, target)
        if self.prompt_term is not None:
            terms |= self.prompt_term(self.rule.to_rgb(state))
        return terms

    @torch.no_grad()
    def score(self, state: Tensor, target: Tensor) -> Tensor:
        """Total distance of every state, [B]: the sum of all terms.

        States are compared one at a time, as the lesson's loss of one depends on the others, and
        with the same random numbers every time, so that chance selects no rule.
        """
        totals = []
        for i in range(len(state)):
            with repeated(self.generator):
                terms = self.distance(state[i : i + 1], target[i : i + 1])
            totals.append(torch.stack([value.cpu() for value in terms.values()]).sum(0))
        return torch.cat(totals)

    def speckle(self, state: Tensor, target: Tensor) -> float:
        """Mean speckle of states, their target's = 1; 0 where grain does not matter."""
        del state, target
        return 0.0

    @abstractmethod
    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """What a plain rule is judged by: one state per seed in each run."""

    # ---- what there is to look at --------------------------------------------------------------

    def targets(self) -> list[Image.Image]:
        """The images that the rule should show."""
        return [to_image(self.target)]

    def loss_by_state(self, rule: Rule, seed: int) -> dict[str, float | None]:
        """Distance by state format, see :mod:`nca.texture.state_formats`; empty by default."""
        del rule, seed
        return {}

    @abstractmethod
    def show(self, rule: Rule) -> RulePreview:
        """What there is to look at of the rule that is kept."""


@contextmanager
def repeated(generator: torch.Generator, seed: int = SCORE_SEED) -> Iterator[None]:
    """Draw the same random numbers every time; afterwards the generator is where it was."""
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


def device_of(settings: TrainSettings) -> torch.device:
    """Where the rule is trained.

    Raises:
        InputError: the device is not there, or the backend cannot use it.
    """
    compute = settings.compute
    wanted = "cpu" if compute.backend == "native" and compute.device == "auto" else compute.device
    device = choose_device(wanted)
    if compute.backend == "native" and device.type != "cpu":
        raise InputError(f"`backend` native: runs on the CPU only, not on `device` {device.type}")
    if compute.backend == "triton" and device.type != "cuda":
        raise InputError("`backend` triton: needs a GPU that torch can use; use native or torch")
    return device


def texture_loss(
    settings: TrainSettings, target: Tensor, generator: torch.Generator, name: str = "texture"
) -> Term:
    """The texture loss of one target, [3, S, S].

    Raises:
        InputError: there are no such features, or the states are too small for them.
    """
    loss = build_loss(
        target[None].to(device_of(settings)),
        settings.loss,
        generator,
        wraps=settings.rule.wraps,
        name=name,
    )
    unroll = settings.pool.unroll
    side = min(unroll.grid, unroll.last_grid)
    try:
        loss(torch.zeros(1, 3, side, side))
    except RuntimeError as error:
        raise InputError(
            f"`grid` {side}: too small for `features` {settings.loss.features} with `padding` "
            f"{settings.rule.padding}"
        ) from error
    return graphed(loss) if device_of(settings).type == "cuda" else loss


def prompt_term(settings: TrainSettings, generator: torch.Generator) -> Term | None:
    """The distance from the prompt, with its weight, if there is one.

    Raises:
        InputError: the model cannot be loaded.
    """
    text = settings.text
    if text.prompt is None:
        return None
    model = load_clip(text.clip, device_of(settings))
    distance = PromptLoss(model, text.prompt, generator, wraps=settings.rule.wraps)
    return text.prompt_weight * distance
