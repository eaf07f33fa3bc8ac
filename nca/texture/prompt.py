"""Words as a target: whatever a rule is trained for, it shall look like this too."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.clip import PromptLoss, load_clip
from nca.rule import Rule
from nca.texture.objective import cap_gradients
from nca.texture.selection import LongRun, LongRuns
from nca.texture.settings import TrainSettings
from nca.texture.task import Task, device_of
from nca.training.objective import Objective


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


def long_runs_with_prompt(task: Task, prompt_loss: PromptLoss, settings: TrainSettings) -> LongRuns:
    """The long runs of a task, each judged by the weighted distance from the text too."""
    weight = 1.0 if settings.grow or settings.restore else settings.texture_weight

    def with_words(run: LongRun) -> LongRun:
        def distance(state: Tensor) -> Tensor:
            # The same crops every time: else chance would choose a rule.
            generator = torch.Generator().manual_seed(CROPS_SEED)
            words = prompt_loss(run.rule.to_rgb(state), generator)
            own = run.distance(state)
            return weight * own + settings.prompt_weight * words.to(own.device)

        return replace(run, distance=distance)

    return lambda rule, seeds: [with_words(run) for run in task.long_runs(rule, seeds)]


def with_prompt(
    task: Task, settings: TrainSettings, generator: torch.Generator
) -> tuple[Objective, LongRuns]:
    """Objective and long runs of a task: as they are, or with the words of ``--prompt``.

    Raises:
        InputError: the model cannot be had.
    """
    if settings.prompt is None:
        return task.objective, task.long_runs
    model = load_clip(settings.clip, device_of(settings))
    torus = settings.padding == "circular"
    prompt_loss = PromptLoss(model, settings.prompt, generator, torus=torus)
    objective = WithPrompt(task.objective, task.rule, prompt_loss, settings)
    return objective, long_runs_with_prompt(task, prompt_loss, settings)
