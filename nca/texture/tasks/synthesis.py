"""One texture from one image: Niklasson et al., "Self-Organising Textures", Distill 2021."""

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from nca.evaluation.appearance import mean_speckle
from nca.images import read_texture
from nca.rule import Rule
from nca.texture.results import RulePreview, growth_stops, pictures_at, preview
from nca.texture.settings import TrainSettings
from nca.texture.state_formats import loss_by_state
from nca.texture.tasks.base import FILM, PREVIEW, LongRun, Task, texture_loss
from nca.training.engines import Engine


class Synthesis(Task):
    """One texture; the target is [3, S, S] in [0, 1]. See :class:`nca.texture.tasks.base.Task`."""

    pictures: ClassVar = {
        PREVIEW: "the picture, and the texture after 30, 200 and 2,000 steps",
        FILM: "the texture growing from its initial state",
    }
    caps_gradients = True

    def __init__(
        self, settings: TrainSettings, target: Tensor, generator: torch.Generator, engine: Engine
    ) -> None:
        super().__init__(settings, target, generator, engine)
        self.loss = texture_loss(settings, target, generator)

    @staticmethod
    def read(settings: TrainSettings) -> Tensor:
        """The centered square of the image, [3, S, S]."""
        return read_texture(settings.picture, settings.size)

    def compare(self, state: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The texture loss by layer."""
        del target
        return self.loss(self.rule.to_rgb(state))

    @override
    def speckle(self, state: Tensor, target: Tensor) -> float:
        del target
        return mean_speckle(self.rule.to_rgb(state), self.target, wraps=self.settings.rule.wraps)

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
            portrait=pictures_at(rule, 128, (400,))[0],
            preview=preview(rule, self.target),
            film=pictures_at(rule, self.settings.size, growth_stops()),
        )
