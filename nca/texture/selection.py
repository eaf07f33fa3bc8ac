"""Which rule is kept: the one that looks best after a long time, not the one with the last loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from nca.losses.texture import TextureLoss
from nca.rule import Rule
from nca.texture.pool import blown_up
from nca.texture.scaling import folded
from nca.training.callback import Callback
from nca.training.callbacks import EMA
from nca.unroll.simulate import simulate

if TYPE_CHECKING:
    from nca.training.learner import Learner

STOPS = (200, 700, 2000)  # steps after which a candidate is looked at
LONG = 10_000  # steps that the one that is kept has survived
DRIFT = 1.5  # how many times worse it may look by then
LOOKED_AT, CERTIFIED = 2, 4  # seeds of a look, and of the long run at the end
KEPT = 3

Score = Callable[[Rule, tuple[int, ...], range], float]  # of a rule at some steps, with some seeds


@dataclass
class Candidate:
    """A rule, the iteration it is from, and its score: texture loss after long runs, worst seed."""

    rule: Rule
    iteration: int
    score: float


def long_run_score(
    rule: Rule,
    texture_loss: TextureLoss,
    side: int,
    stops: tuple[int, ...],
    seeds: range,
) -> float:
    """Texture loss after long runs: mean over ``stops`` of the worst seed; infinite if one dies.

    Args:
        rule: what is judged.
        texture_loss: the distance from the target.
        side: of the grid.
        stops: steps after which the picture is looked at.
        seeds: of the runs.
    """
    state = rule.seed(len(seeds), side, side, seed=seeds.start)
    total = 0.0
    for after in simulate(rule, state, stops, seed=seeds.start):
        if blown_up(after).any():
            return math.inf
        layers = texture_loss(rule.to_rgb(after))
        total += float(torch.stack(list(layers.values())).sum(0).max())
    return total / len(stops)


class KeepBest(Callback):
    """Score the averaged rule now and then in the second half of the fit; keep the best few.

    Args:
        ema: the average that is scored; without one the weights themselves are.
        score: ``score(rule, stops, seeds)``: the loss after long runs, such as
            :func:`long_run_score`.
        seed: of the long runs.
        looks: how often a candidate is scored.
    """

    order = 40

    def __init__(self, ema: EMA | None, score: Score, seed: int, looks: int = 8) -> None:
        self.ema, self.score, self.seed, self.looks = ema, score, seed, looks
        self.candidates: list[Candidate] = []
        self._looked = 0

    @torch.no_grad()
    def after_batch(self, learner: "Learner") -> None:
        """Look, when it is time."""
        due = math.floor((2 * learner.progress - 1) * self.looks)
        if due > self._looked:
            self._looked = due
            self.look(learner)

    def after_fit(self, learner: "Learner") -> None:
        """Look at the last one."""
        self.look(learner)

    @torch.no_grad()
    def look(self, learner: "Learner") -> None:
        """Score the rule as it is."""
        rule = averaged_rule(learner, self.ema)
        seeds = range(self.seed, self.seed + LOOKED_AT)
        score = self.score(rule, STOPS, seeds)
        self.candidates.append(Candidate(rule, learner.iteration, score))
        self.candidates = sorted(self.candidates, key=lambda c: c.score)[:KEPT]

    @torch.no_grad()
    def choose(self) -> Candidate:
        """Take the best that looks alike after 10,000 steps with other seeds, else the best."""
        seeds = range(self.seed + LOOKED_AT, self.seed + LOOKED_AT + CERTIFIED)
        for candidate in self.candidates:
            late = self.score(candidate.rule, (LONG,), seeds)
            if late <= DRIFT * candidate.score:
                return candidate
        return self.candidates[0]

    def state_dict(self) -> dict[str, Any]:
        """Weights and scores of the candidates."""
        return {
            "looked": self._looked,
            "candidates": [
                {"weights": c.rule.state_dict(), "iteration": c.iteration, "score": c.score}
                for c in self.candidates
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`state_dict`."""
        self._looked = state["looked"]
        self._restored = state["candidates"]

    def before_fit(self, learner: "Learner") -> None:
        """Turn restored weights into rules again."""
        assert isinstance(learner.model, Rule)
        for kept in self.__dict__.pop("_restored", []):
            rule = folded(learner.model)
            rule.load_state_dict(kept["weights"])
            self.candidates.append(Candidate(rule, kept["iteration"], kept["score"]))


@torch.no_grad()
def averaged_rule(learner: "Learner", ema: EMA | None) -> Rule:
    """A plain copy of the rule in training, on the CPU, with averaged weights if there are some."""
    model = learner.model
    assert isinstance(model, Rule)
    if ema is None:
        return folded(model).cpu()
    with ema.averaged(model):
        return folded(model).cpu()
