"""Train with your own loss term: the texture of an image, in a different tint.

    python own_loss.py leaf.jpg tinted.png --tint 0.7 0.4 0.3

An objective computes the loss terms. The one defined here adds a term to those of the usual
objective. A callback replaces the usual objective with it.
"""

import argparse
from typing import Any

import torch
from torch import Tensor, nn

import nca


class Tinted(nca.Objective):
    """The terms of another objective, plus the distance between the mean color and a tint."""

    def __init__(self, usual: nca.Objective, rule: nca.Rule, tint: Tensor, weight: float) -> None:
        self.usual, self.rule, self.tint, self.weight = usual, rule, tint, weight

    def predict(self, model: nn.Module, batch: Any) -> Any:
        """Return the states after some steps, [B, C, H, W]."""
        return self.usual.predict(model, batch)

    def losses(self, prediction: Tensor, batch: Any) -> dict[str, Tensor]:
        """Return every term by name; their sum is the loss."""
        color = self.rule.to_rgb(prediction).mean((0, 2, 3))
        tint = self.weight * (color - self.tint.to(color)).square().sum()
        return {**self.usual.losses(prediction, batch), "tint": tint}


class UseTint(nca.Callback):
    """Replaces the objective of a training run."""

    def __init__(self, tint: Tensor, weight: float) -> None:
        self.tint, self.weight = tint, weight

    def before_fit(self, learner: nca.Learner) -> None:
        """Replace the objective; in this run, the model is a rule."""
        assert isinstance(learner.model, nca.Rule)
        learner.objective = Tinted(learner.objective, learner.model, self.tint, self.weight)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture")
    parser.add_argument("result", help="picture of what the rule grows")
    parser.add_argument("--tint", type=float, nargs=3, default=(0.7, 0.4, 0.3), help="0 to 1")
    parser.add_argument("--weight", type=float, default=100.0, help="weight of the new term")
    parser.add_argument("--iterations", type=int, default=1500, help="number of iterations")
    words = parser.parse_args()
    use = UseTint(torch.tensor(words.tint), words.weight)
    trained = nca.train(words.picture, preset="tiny", iterations=words.iterations, callbacks=[use])
    nca.grow(trained.rule, size=256).save(words.result)
    print(f"tint {trained.losses['tint'][0]:.3g} -> {trained.losses['tint'][-1]:.3g}")
