"""One texture from one image: Niklasson et al., "Self-Organising Textures", Distill 2021."""

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from nca.images import read_texture
from nca.rule import Rule
from nca.texture.picture_loss import picture_loss, speckle_of
from nca.texture.results import RulePreview, growth, portrait, preview
from nca.texture.settings import TrainSettings
from nca.texture.state_formats import loss_by_state
from nca.texture.tasks.base import FILM, PREVIEW, LongRun, Task
from nca.training.engines import Engine


class Synthesis(Task):
    """One texture; the target is [3, S, S] in [0, 1]. See :class:`nca.texture.tasks.base.Task`."""

    pictures: ClassVar = {
        PREVIEW: "the image, and the texture after 30, 200 and 2,000 steps",
        FILM: "the texture growing from its initial state",
    }
    caps_gradients = True

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        super().__init__(settings, target, generator, engine)
        self.loss = picture_loss(settings, target, generator)

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered square of the image, [3, S, S]."""
        return read_texture(settings.picture, settings.size, enlarge=not settings.rule.decoder)

    def compare(self, rule: Rule, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The texture loss, by layer."""
        del target
        return self.loss(rule, state)

    @override
    def speckle(self, rule: Rule, state: Tensor, target: Tensor) -> float:
        del target
        return speckle_of(rule, state, self.target)

    @override
    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        side = self.settings.pool.unroll.last_grid
        state = rule.initial_state(len(seeds), side, side, seed=seeds.start)
        return [LongRun(rule, state, torch.arange(len(seeds)))]

    @override
    def loss_by_state(self, rule: Rule, seed: int) -> dict[str, float | None]:
        return loss_by_state(rule, self.score, self.settings.pool.unroll.last_grid, seed)

    @override
    def show(self, rule: Rule) -> RulePreview:
        return RulePreview(
            portrait=portrait(rule),
            preview=preview(rule, self.target),
            film=growth(rule, self.settings.cells),
        )
