"""Keep the rule that looks best after long runs, rather than the last one of training."""

import math
from dataclasses import dataclass, replace
from statistics import fmean
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

STOPS = (200, 700, 2000)  # steps after which a candidate is scored
LONG = 10_000  # steps of the final runs of a candidate
DRIFT = 1.5  # largest allowed loss after LONG steps, as a multiple of the loss at the last stop
GRAINY = 1.15  # largest speckle relative to the target; candidates above it rank last
EVALUATION_SEEDS, FINAL_SEEDS = 2, 4  # number of seeds per evaluation, and in the final runs
KEPT = 3  # number of candidates


class Score(NamedTuple):
    """How well a rule does in long runs.

    Attributes:
        losses: at each stop, the texture loss of the worst state of a run, averaged over runs.
        speckle: highest speckle at any stop, relative to the target.
    """

    losses: tuple[float, ...]
    speckle: float

    @property
    def loss(self) -> float:
        """Mean over the stops."""
        return fmean(self.losses)


@dataclass
class Candidate:
    """A rule that may be kept.

    Attributes:
        rule: the rule, with averaged weights.
        iteration: training iteration that the weights come from.
        score: texture loss of the worst seed in long runs, averaged over the stops.
        settled, late: the same loss in the final runs, after 2,000 and after 10,000 steps; NaN
            until measured.
        speckle: highest speckle in long runs, relative to the speckle of the target.
    """

    rule: Rule
    iteration: int
    score: float
    settled: float = math.nan
    late: float = math.nan
    speckle: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the texture looks about as good after 10,000 steps as after 2,000."""
        return math.isfinite(self.late) and self.late <= DRIFT * self.settled

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key (lowest is best); grainy rules come after all others."""
        return self.speckle > GRAINY, self.score

    @property
    def warning(self) -> str:
        """A one-line warning if the rule does not last; otherwise an empty string."""
        if self.lasts:
            return ""
        what = (
            f"its loss is {self.late / self.settled:.1f} times the loss after {STOPS[-1]:,}"
            if math.isfinite(self.late)
            else "its values have blown up"
        )
        return f"This rule is not stable: after {LONG:,} steps {what}; try another seed"


class RuleScorer(Protocol):
    """Starts and scores long runs; see :class:`nca.texture.tasks.base.Task`."""

    def long_runs(self, rule: Rule, seeds: range) -> list["LongRun"]:
        """Initial states of the long runs."""
        ...

    def score(self, rule: Rule, state: Tensor, target: Tensor) -> Tensor:
        """Total distance of every state from the target, [B]."""
        ...

    def speckle(self, rule: Rule, state: Tensor, target: Tensor) -> float:
        """Mean speckle of the states, relative to their target."""
        ...


@torch.no_grad()
def long_run_score(scorer: RuleScorer, rule: Rule, stops: tuple[int, ...], seeds: range) -> Score:
    """Score a rule by long runs; its losses and speckle are infinite if a run blows up.

    Args:
        scorer: starts the runs and measures them.
        rule: a copy of the rule, not the one in training.
        stops: numbers of steps after which the states are measured.
        seeds: random seeds; every run has one state per seed.
    """
    worst: list[list[float]] = []
    speckles, seed = [], seeds.start
    for run in scorer.long_runs(rule, seeds):
        worst.append([])
        for after in simulate(run.rule, run.state, stops, seed=seed):
            if blown_up(after).any():
                return Score((math.inf,) * len(stops), math.inf)
            worst[-1].append(float(scorer.score(run.rule, after, run.target).max()))
            speckles.append(scorer.speckle(run.rule, after, run.target))
    return Score(tuple(map(fmean, zip(*worst, strict=True))), max(speckles))


class KeepBest(Callback):
    """Score the averaged rule several times in the second half of the fit; keep the best few.

    Args:
        ema: moving average of the weights; None: the weights themselves are scored.
        scorer: starts the long runs and measures them.
        seed: first random seed of the long runs.
        evaluations: number of evaluations in the second half; the last rule is always scored.
    """

    order = 40

    def __init__(
        self, ema: EMA | None, scorer: RuleScorer, seed: int, evaluations: int = 8
    ) -> None:
        self.ema, self.scorer, self.seed, self.evaluations = ema, scorer, seed, evaluations
        self.candidates: list[Candidate] = []
        self._evaluated = 0
        self._latest = -1  # iteration of the latest evaluation

    @torch.no_grad()
    def after_batch(self, learner: Learner) -> None:
        """Score the rule when an evaluation is due."""
        due = self._due(learner)
        if due > self._evaluated:
            self._evaluated = due
            self.evaluate(learner)

    def score(self, rule: Rule, stops: tuple[int, ...], seeds: range) -> Score:
        """Score a rule with :func:`long_run_score`."""
        return long_run_score(self.scorer, rule, stops, seeds)

    def _due(self, learner: Learner) -> int:
        """Number of evaluations that should be done by now."""
        return max(0, math.floor((2 * learner.progress - 1) * self.evaluations))

    def after_fit(self, learner: Learner) -> None:
        """Score the last rule, unless the last iteration has done so."""
        if self._latest != learner.iteration:
            self.evaluate(learner)

    @torch.no_grad()
    def evaluate(self, learner: Learner) -> None:
        """Score the current rule, and keep it if it is among the best few."""
        self._latest = learner.iteration
        rule = averaged_rule(learner, self.ema)
        score = self.score(rule, STOPS, self._evaluation_seeds)
        candidate = Candidate(rule, learner.iteration, score.loss, speckle=score.speckle)
        self.candidates = sorted([*self.candidates, candidate], key=lambda c: c.rank)[:KEPT]

    @torch.no_grad()
    def choose(self) -> Candidate:
        """Choose the best candidate that lasts 10,000 steps with new seeds, else the best one.

        If its loss is lower in calm runs, its rule gets the setting ``calm``.
        """
        for candidate in self.candidates:
            candidate.settled, candidate.late = self._final_losses(candidate.rule)
            if candidate.lasts:
                return self._calmed(candidate)
        return self.candidates[0]

    def _calmed(self, candidate: Candidate) -> Candidate:
        """Turn calm runs on if they lower the mean loss of the final runs."""
        if candidate.rule.settings.update_rate == 1:
            return candidate  # all cells fire anyway
        rule = candidate.rule.with_settings(calm=True)
        settled, late = self._final_losses(rule)
        calm = replace(candidate, rule=rule, settled=settled, late=late)
        if not calm.lasts or settled + late >= candidate.settled + candidate.late:
            return candidate
        score = self.score(rule, STOPS, self._evaluation_seeds)
        return replace(calm, score=score.loss, speckle=score.speckle)

    def _final_losses(self, rule: Rule) -> tuple[float, ...]:
        """Losses after 2,000 and after 10,000 steps, with seeds that no evaluation has used."""
        first = self._evaluation_seeds.stop
        seeds = range(first, first + FINAL_SEEDS)
        return self.score(rule, (STOPS[-1], LONG), seeds).losses

    @property
    def _evaluation_seeds(self) -> range:
        return range(self.seed, self.seed + EVALUATION_SEEDS)

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
        """Skip evaluations that were due earlier; make rules from restored weights."""
        # Evaluations are due at fractions of the run: if a resumed run is longer, fewer are done.
        self._evaluated = self._due(learner)
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
    """Return a copy of the rule in training, with averaged weights if ``ema`` is given."""
    model = learner.model
    assert isinstance(model, Rule)
    if ema is None:
        return model.with_settings()
    with ema.averaged(model):
        return model.with_settings()
