"""Which rule is kept: the one that looks best after a long time, not the one with the last loss."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor
from typing_extensions import override

from nca.backends.simulate import simulate
from nca.rule import Rule
from nca.texture.pool import blown_up
from nca.training.callback import Callback
from nca.training.callbacks import EMA
from nca.training.learner import Learner

if TYPE_CHECKING:
    from nca.texture.tasks.base import LongRun

STOPS = (200, 700, 2000)  # steps after which a candidate is looked at
LONG = 10_000  # steps that the one that is kept has survived
DRIFT = 1.5  # how many times worse it may look by then
GRAINY = 1.15  # speckle, the target's = 1, above which a candidate is kept only if all are
LOOKED_AT, CERTIFIED = 2, 4  # seeds of a look, and of the long run at the end
KEPT = 3


class Score(NamedTuple):
    """How a rule looks after long runs.

    Attributes:
        loss: mean over runs and stops of the texture loss of the worst seed.
        speckle: the highest, the target's = 1.
    """

    loss: float
    speckle: float


@dataclass
class Candidate:
    """A rule that may be kept.

    Attributes:
        rule: itself.
        iteration: that it is from.
        score: texture loss after long runs, worst seed.
        late: the same after 10,000 steps, once it has been measured.
        speckle: after long runs, the target's = 1.
    """

    rule: Rule
    iteration: int
    score: float
    late: float = math.nan
    speckle: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it looks about as good after 10,000 steps as before."""
        return math.isfinite(self.late) and self.late <= DRIFT * self.score

    @property
    def rank(self) -> tuple[bool, float]:
        """The lower, the better: a grainy one comes after all that are not."""
        return self.speckle > GRAINY, self.score

    @property
    def warning(self) -> str:
        """A line for whoever trained it, if it does not last."""
        if self.lasts:
            return ""
        what = (
            f"the loss is {self.late / self.score:.1f} times that of the first {STOPS[-1]:,}"
            if math.isfinite(self.late) and math.isfinite(self.score)
            else "it has blown up"
        )
        return f"This rule does not last, after {LONG:,} steps {what}; try another seed"


class Judge(Protocol):
    """What a rule is judged by; see :class:`nca.texture.tasks.base.Task`."""

    def long_runs(self, rule: Rule, seeds: range) -> list["LongRun"]:
        """States that the rule runs from."""
        ...

    def score(self, state: Tensor, target: Tensor) -> Tensor:
        """Total distance of every state, [B]."""
        ...

    def speckle(self, state: Tensor, target: Tensor) -> float:
        """Mean speckle of the states, their target's = 1."""
        ...


@torch.no_grad()
def long_run_score(judge: Judge, rule: Rule, stops: tuple[int, ...], seeds: range) -> Score:
    """Look at a rule after long runs; both figures are infinite if one blows up.

    Args:
        judge: starts the runs and measures them.
        rule: a plain rule.
        stops: steps after which the states are looked at.
        seeds: one run of each.
    """
    worst, speckles, seed = [], [], seeds.start
    for run in judge.long_runs(rule, seeds):
        for after in simulate(run.rule, run.state, stops, seed=seed):
            if blown_up(after).any():
                return Score(math.inf, math.inf)
            worst.append(float(judge.score(after, run.target).max()))
            speckles.append(judge.speckle(after, run.target))
    return Score(sum(worst) / len(worst), max(speckles))


class KeepBest(Callback):
    """Score the averaged rule now and then in the second half of the fit; keep the best few.

    Args:
        ema: the average that is scored; without one the weights themselves are.
        judge: starts the long runs and measures them.
        seed: of the long runs.
        looks: how often a candidate is scored.
    """

    order = 40

    def __init__(self, ema: EMA | None, judge: Judge, seed: int, looks: int = 8) -> None:
        self.ema, self.judge, self.seed, self.looks = ema, judge, seed, looks
        self.candidates: list[Candidate] = []
        self._looked = 0

    @torch.no_grad()
    def after_batch(self, learner: Learner) -> None:
        """Look, when it is time."""
        due = self._due(learner)
        if due > self._looked:
            self._looked = due
            self.look(learner)

    def score(self, rule: Rule, stops: tuple[int, ...], seeds: range) -> Score:
        """See :func:`long_run_score`."""
        return long_run_score(self.judge, rule, stops, seeds)

    def _due(self, learner: Learner) -> int:
        """Looks that should have been taken by now."""
        return max(0, math.floor((2 * learner.progress - 1) * self.looks))

    def after_fit(self, learner: Learner) -> None:
        """Look at the last one."""
        self.look(learner)

    @torch.no_grad()
    def look(self, learner: Learner) -> None:
        """Score the rule as it is."""
        rule = averaged_rule(learner, self.ema)
        seeds = range(self.seed, self.seed + LOOKED_AT)
        score = self.score(rule, STOPS, seeds)
        candidate = Candidate(rule, learner.iteration, score.loss, speckle=score.speckle)
        self.candidates = sorted([*self.candidates, candidate], key=lambda c: c.rank)[:KEPT]

    @torch.no_grad()
    def choose(self) -> Candidate:
        """Take the best that looks alike after 10,000 steps with other seeds, else the best."""
        seeds = range(self.seed + LOOKED_AT, self.seed + LOOKED_AT + CERTIFIED)
        for candidate in self.candidates:
            candidate.late = self.score(candidate.rule, (LONG,), seeds).loss
            if candidate.lasts:
                return candidate
        return self.candidates[0]

    def state_dict(self) -> dict[str, Any]:
        """Weights and scores of the candidates."""
        return {
            "candidates": [
                {
                    "weights": c.rule.state_dict(),
                    "iteration": c.iteration,
                    "score": c.score,
                    "speckle": c.speckle,
                }
                for c in self.candidates
            ],
        }

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._restored = state["candidates"]

    def before_fit(self, learner: Learner) -> None:
        """See how many looks are over; turn restored weights into rules again."""
        self._looked = self._due(learner)  # fewer, when a resume is to train for longer
        assert isinstance(learner.model, Rule)
        for kept in self.__dict__.pop("_restored", []):
            rule = learner.model.with_settings()
            rule.load_state_dict(kept["weights"])
            speckle = kept.get("speckle", 0.0)  # earlier versions did not measure it
            self.candidates.append(
                Candidate(rule, kept["iteration"], kept["score"], speckle=speckle)
            )


@torch.no_grad()
def averaged_rule(learner: Learner, ema: EMA | None) -> Rule:
    """A plain copy of the rule in training, with averaged weights if there are some."""
    model = learner.model
    assert isinstance(model, Rule)
    if ema is None:
        return model.with_settings()
    with ema.averaged(model):
        return model.with_settings()
