"""Words as a target: whatever a rule is trained for, it shall look like this too."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.clip import PromptLoss, load_clip
from nca.rule import Rule
from nca.texture.objective import cap_gradients
from nca.texture.restoring import Restoring, disturb, state_of
from nca.texture.selection import Score
from nca.texture.settings import TrainSettings
from nca.texture.several import Several, noise_levels, seeded
from nca.texture.task import Task, device_of
from nca.training.objective import Objective
from nca.unroll.simulate import simulate


class WithPrompt(Objective):
    """Another objective, and the distance of the colors from a text.

    Args:
        objective: what else the rule is trained for.
        rule: whose color map is used.
        prompt_loss: the distance from the text.
        settings: weight of that distance, and whether its gradients are capped.
    """

    def __init__(
        self, objective: Objective, rule: Rule, prompt_loss: PromptLoss, settings: TrainSettings
    ) -> None:
        self.objective, self.rule = objective, rule
        self.prompt_loss, self.settings = prompt_loss, settings

    def predict(self, model: nn.Module, batch: Any) -> Any:
        """As the other objective does."""
        return self.objective.predict(model, batch)

    def losses(self, prediction: Any, batch: Any) -> dict[str, Tensor]:
        """The terms of the other objective, and ``prompt``."""
        state = cap_gradients(prediction) if self.settings.cap_gradients else prediction
        distance = self.prompt_loss(self.rule.to_rgb(state)).mean()
        prompt = self.settings.prompt_weight * distance
        return self.objective.losses(prediction, batch) | {"prompt": prompt}


CROPS_SEED = 0


class ScoreWithPrompt:
    """The score of a task, and the distance from a text after the same runs; both weighted.

    Args:
        task: whose score it is.
        prompt_loss: the distance from the text.
        settings: the weights.
    """

    def __init__(self, task: Task, prompt_loss: PromptLoss, settings: TrainSettings) -> None:
        self.task, self.prompt_loss, self.settings = task, prompt_loss, settings

    @torch.no_grad()
    def __call__(self, rule: Rule, stops: tuple[int, ...], seeds: range) -> float:
        """Mean over the stops of the worst seed, as the score of the task; infinite if one dies."""
        settings = self.settings
        score = self.task.score(rule, stops, seeds)
        if not math.isfinite(score):
            return math.inf
        distances = [
            self._distance(one, after)
            for one, state in self._starts(rule, seeds)
            for after in simulate(one, state, stops, seed=seeds.start)
        ]
        weight = 1.0 if settings.grow or settings.restore else settings.texture_weight
        return weight * score + settings.prompt_weight * sum(distances) / len(distances)

    def _distance(self, rule: Rule, state: Tensor) -> float:
        """Of the worst state, by the same crops every time: else chance would choose a rule."""
        generator = torch.Generator().manual_seed(CROPS_SEED)
        return float(self.prompt_loss(rule.to_rgb(state), generator).max())

    def _starts(self, rule: Rule, seeds: range) -> list[tuple[Rule, Tensor]]:
        """What the runs of the task's score start from: rules, and states [B, C, H, W]."""
        target, side = self.task.target, self.settings.last_grid
        if isinstance(self.task, Restoring):
            generators = [torch.Generator().manual_seed(seed) for seed in seeds]
            disturbed = torch.stack([disturb(target, generator) for generator in generators])
            return [(rule, state_of(disturbed, rule))]
        several = isinstance(self.task, Several)
        rules = [seeded(rule, x) for x in noise_levels(len(target))] if several else [rule]
        return [(one, one.seed(len(seeds), side, side, seed=seeds.start)) for one in rules]


def with_prompt(
    task: Task, settings: TrainSettings, generator: torch.Generator
) -> tuple[Objective, Score]:
    """Objective and score of a task: as they are, or with the words of ``--prompt``.

    Raises:
        InputError: the model cannot be had.
    """
    if settings.prompt is None:
        return task.objective, task.score
    model = load_clip(settings.clip, device_of(settings))
    torus = settings.padding == "circular"
    prompt_loss = PromptLoss(model, settings.prompt, generator, torus=torus)
    objective = WithPrompt(task.objective, task.rule, prompt_loss, settings)
    return objective, ScoreWithPrompt(task, prompt_loss, settings)
