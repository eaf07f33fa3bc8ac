"""Words as a target: whatever a rule is trained for, it shall look like this too."""

from typing import Any

import torch
from torch import Tensor, nn

from nca.losses.clip import PromptLoss, load_clip
from nca.rule import Rule
from nca.texture.settings import TrainSettings
from nca.training.objective import Objective


class WithPrompt(Objective):
    """Another objective, and the distance of the colors from a text.

    Args:
        objective: what else the rule is trained for.
        rule: whose color map is used.
        prompt_loss: the distance from the text.
        weight: of that distance.
    """

    def __init__(
        self, objective: Objective, rule: Rule, prompt_loss: PromptLoss, weight: float
    ) -> None:
        self.objective, self.rule = objective, rule
        self.prompt_loss, self.weight = prompt_loss, weight

    def predict(self, model: nn.Module, batch: Any) -> Any:
        """As the other objective does."""
        return self.objective.predict(model, batch)

    def losses(self, prediction: Any, batch: Any) -> dict[str, Tensor]:
        """The terms of the other objective, and ``prompt``."""
        distance = self.prompt_loss(self.rule.to_rgb(prediction)).mean()
        return self.objective.losses(prediction, batch) | {"prompt": self.weight * distance}


def with_prompt(
    objective: Objective, rule: Rule, settings: TrainSettings, generator: torch.Generator
) -> Objective:
    """The objective itself, or with the words of ``--prompt``.

    Raises:
        InputError: the model cannot be had.
    """
    if settings.prompt is None:
        return objective
    model = load_clip(settings.clip)
    torus = settings.padding == "circular"
    prompt_loss = PromptLoss(model, settings.prompt, generator, torus=torus)
    return WithPrompt(objective, rule, prompt_loss, settings.prompt_weight)
