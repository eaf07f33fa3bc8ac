"""Tasks: what a rule is trained to do.

A task defines the initial rule, the pool of states, the distance of a state from its target, and
the result images. The optimizer, the learning-rate schedule, callbacks, checkpoints and the way the
final rule is chosen are the same for all tasks; see :mod:`nca.texture.train`. A new task needs a
new file and a line in :mod:`nca.texture.tasks`.
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
from nca.decoder import DecoderSettings
from nca.images import to_image
from nca.losses.prompt import PromptLoss, load_clip
from nca.losses.term import Term
from nca.rule import Rule, dilations
from nca.rule_settings import RuleSettings
from nca.texture.device import device_of
from nca.texture.pool import Pool
from nca.texture.results import RulePreview
from nca.texture.settings import TrainSettings
from nca.texture.starting_rule import starting_rule
from nca.training.engines import Engine

PREVIEW, FILM = "preview.png", "growth.webp"
SCORE_SEED = 0


@dataclass(frozen=True)
class LongRun:
    """Initial states of a long run that scores a rule.

    Attributes:
        rule: the rule.
        state: the states, [B, C, H, W], one per seed.
        target: what the states are compared with; an argument of :meth:`Task.distance`.
    """

    rule: Rule
    state: Tensor
    target: Tensor


class Task(ABC):
    """Base of all tasks.

    Args:
        settings: settings of the run.
        target: what :meth:`read` returned.
        generator: source of all random numbers.
        engine: provides the number of processes, which share each batch, and the rank of this one.

    Attributes:
        rule: the initial rule, which is trained.
        target: the target.
        pool: source of the batches.
        pictures: captions of the images in the output folder, by file name.
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
        """Return the settings of the rule; by default, those for a texture."""
        options = self.settings.rule
        return RuleSettings(
            channels=options.channels,
            hidden=options.hidden,
            padding=options.padding,
            update_rate=options.update_rate,
            start="noise" if options.noise else "zeros",
            noise_level=options.noise,
            decoder=DecoderSettings(options.decoder) if options.decoder else None,
            dilations=dilations(options.dilation),
        )

    def new_rule(self) -> dict[str, Any]:
        """Return arguments for a new rule besides its settings: ``filters``, ``update_bias``."""
        return {}

    def make_pool(self, **shared: Any) -> Pool:
        """Make the pool; called after the rule has been made.

        Args:
            shared: keyword arguments that every :class:`~nca.texture.pool.Pool` takes.
        """
        return Pool(self.rule, self.settings.pool, self.generator, **shared)

    def run_long(self, state: Tensor, steps: int, seed: int) -> Tensor:
        """Run states, [B, C, H, W], for some steps with the current weights of the rule."""
        (old,) = simulate(self.rule.with_settings(), state, [steps], seed=seed)
        return old

    # ---- distance from the target --------------------------------------------------------------

    @abstractmethod
    def compare(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compute the weighted terms of the task's distance, without the prompt: name -> [B].

        Args:
            rule: the rule that the states belong to; its decoder draws them.
            state: [B, C, H, W].
            target: what :meth:`compared_with` returned.
        """

    def compared_with(self, index: Tensor) -> Tensor:
        """Look up the targets of states by their pool places, [B]; by default, these places."""
        return index

    def distance(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compute all terms of the distance, including the prompt: name -> [B]."""
        terms = self.compare(rule, state, target)
        if self.prompt_term is not None:
            terms |= self.prompt_term(rule.to_image(state))
        return terms

    @torch.no_grad()
    def score(self, rule: Rule, state: Tensor, target: Tensor) -> Tensor:
        """Compute the total distance of every state, [B]: the sum of all terms.

        States are compared one at a time, because with the ``lesson20`` statistic the loss of a
        state depends on the rest of its batch. Every comparison uses the same random numbers, so
        that which rule is chosen does not depend on chance.
        """
        totals = []
        for i in range(len(state)):
            with repeated(self.generator):
                terms = self.distance(rule, state[i : i + 1], target[i : i + 1])
            totals.append(torch.stack([value.cpu() for value in terms.values()]).sum(0))
        return torch.cat(totals)

    def speckle(self, rule: Rule, state: Tensor, target: Tensor) -> float:
        """Compute the mean speckle of states relative to their target; 0 if grain is irrelevant."""
        del rule, state, target
        return 0.0

    @abstractmethod
    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        """Prepare the long runs that score a rule; each has one state per seed."""

    # ---- images of the results -----------------------------------------------------------------

    def targets(self) -> list[Image.Image]:
        """Images that the rule should reproduce."""
        return [to_image(self.target)]

    def loss_by_state(self, rule: Rule, seed: int) -> dict[str, float | None]:
        """Measure the distance in each state format; empty by default.

        See :mod:`nca.texture.state_formats`.
        """
        del rule, seed
        return {}

    @abstractmethod
    def show(self, rule: Rule) -> RulePreview:
        """Make the preview images of the final rule."""


@contextmanager
def repeated(generator: torch.Generator, seed: int = SCORE_SEED) -> Iterator[None]:
    """Seed the generator, so that the block always gets the same numbers; then restore it."""
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


def prompt_term(settings: TrainSettings, generator: torch.Generator) -> Term | None:
    """Make the weighted distance from the prompt, if there is a prompt.

    Raises:
        InputError: the model cannot be loaded.
    """
    text = settings.text
    if text.prompt is None:
        return None
    model = load_clip(text.clip, device_of(settings))
    distance = PromptLoss(model, text.prompt, generator, wraps=settings.rule.wraps)
    return text.prompt_weight * distance
