"""The choice of the rule: scores after long runs, and a warning if a rule does not last."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.texture.callbacks import keep_best as selection
from nca.texture.callbacks.keep_best import Candidate, KeepBest, Score, long_run_score
from nca.texture.settings import train_settings
from nca.texture.tasks.base import LongRun, Task
from nca.texture.tasks.several import Several
from nca.texture.tasks.synthesis import Synthesis
from nca.training.engines import Engine
from tests.helpers.rules import bounded_rule


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def synthesis(statistic: str) -> Synthesis:
    settings = train_settings(
        "a.png", "out", "tiny", size=32, grid=32, late_grid=32, features="random",
        statistic=statistic,
    )  # fmt: skip
    return Synthesis(settings, torch.rand(3, 32, 32, generator=generator()), generator(), Engine())


def test_a_rule_that_explodes_has_an_infinite_score() -> None:
    rule = Rule(RuleSettings(4, 8), generator=generator())
    task = synthesis("gram")
    assert math.isfinite(long_run_score(task, rule, (5,), range(2)).loss)
    with torch.no_grad():
        rule.w2 += 1
    assert long_run_score(task, rule, (50,), range(2)) == ((math.inf,), math.inf)


class Fixed:
    """Scores rules by given numbers, one for every stop."""

    def __init__(self, distances: dict[RuleSettings, tuple[float, ...]]) -> None:
        self.distances = distances
        self.left: list[float] = []

    def long_runs(self, rule: Rule, seeds: range) -> list[LongRun]:
        del seeds
        self.left = list(self.distances[rule.settings])
        return [LongRun(rule, torch.zeros(1, 4, 4, 4), torch.zeros(1))]

    def score(self, rule: Rule, state: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        del rule, state
        return target + self.left.pop(0)

    def speckle(self, rule: Rule, state: torch.Tensor, target: torch.Tensor) -> float:
        del rule, state, target
        return 1.0


def test_the_one_that_lasts_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "STOPS", (1, 2))
    monkeypatch.setattr(selection, "LONG", 3)
    rules = [Rule(RuleSettings(4, 8 + i)) for i in range(3)]
    first, second, third = (rule.settings for rule in rules)
    # The seeds of the second are worse than those of its score, from the first stop on.
    runs = {first: (1, math.inf), second: (3.0, 4.4), third: (3.0, 4.6)}
    runs[replace(second, calm=True)] = (3.0, 4.5)
    keep = KeepBest(None, Fixed(runs), 0)
    keep.candidates = [Candidate(rule, i, 1.0 + i) for i, rule in enumerate(rules)]
    assert keep.choose() is keep.candidates[1]
    assert [candidate.lasts for candidate in keep.candidates] == [False, True, False]
    runs[second] = (1, math.nan)
    assert keep.choose() is keep.candidates[0]
    assert keep.candidates[0].late == math.inf
    assert not keep.candidates[2].lasts


@pytest.mark.parametrize(
    ("calm_losses", "calm"),
    [((2.5, 3.0), True), ((3.5, 3.0), False), ((1.0, 2.0), False), ((3.0, math.inf), False)],
)
def test_calm_runs_are_turned_on_if_they_last_and_lower_the_loss(
    monkeypatch: pytest.MonkeyPatch, calm_losses: tuple[float, float], calm: bool
) -> None:
    monkeypatch.setattr(selection, "STOPS", (1, 2))
    monkeypatch.setattr(selection, "LONG", 3)
    usual = RuleSettings(4, 8)
    keep = KeepBest(None, Fixed({usual: (3, 3), replace(usual, calm=True): calm_losses}), 0)
    keep.candidates = [Candidate(Rule(usual), 7, 3.0)]
    chosen = keep.choose()
    assert chosen.rule.settings.calm == calm
    assert (chosen.settled, chosen.late) == (calm_losses if calm else (3, 3))
    assert chosen.iteration == 7
    assert chosen.score == (pytest.approx(sum(calm_losses) / 2) if calm else 3)


def test_calm_runs_are_not_tried_if_all_cells_fire_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "STOPS", (1, 2))
    monkeypatch.setattr(selection, "LONG", 3)
    settings = RuleSettings(4, 8, update_rate=1.0)
    keep = KeepBest(None, Fixed({settings: (3, 3)}), 0)
    keep.candidates = [Candidate(Rule(settings), 7, 3.0)]
    assert keep.choose() is keep.candidates[0]


def test_grainy_candidates_come_after_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = (3, 1.14), (1, 1.16), (math.inf, math.inf), (2, 1.2), (4, 0.5)
    scores = [Score((loss,), speckle) for loss, speckle in figures]
    keep = KeepBest(None, Fixed({}), 0)
    monkeypatch.setattr(keep, "score", lambda *_: scores.pop(0))
    learner = SimpleNamespace(model=Rule(RuleSettings(4, 8)), iteration=7)
    while scores:
        keep.evaluate(learner)  # type: ignore[arg-type]
    assert [candidate.score for candidate in keep.candidates] == [3, 4, 1]


@pytest.mark.parametrize("also", [(), ("b.png",)])
def test_speckle_is_that_of_the_picture_of_a_run(also: tuple[str, ...]) -> None:
    settings = train_settings("a.png", "out", "tiny", size=32, features="random", also=also)
    smooth = torch.linspace(0, 1, 32).expand(3, 32, 32)
    noise = torch.rand(3, 32, 32, generator=generator())
    if also:
        task: Task = Several(settings, torch.stack([smooth, noise]), generator(), Engine())
    else:
        task = Synthesis(settings, noise, generator(), Engine())
    state = torch.cat([noise, noise[:1]])[None] - 0.5
    found = [task.speckle(task.rule, state, torch.tensor([i])) for i in range(len(also) + 1)]
    assert found[-1] == pytest.approx(1, rel=0.1)
    assert found[0] > 10 or not also


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (2.9, ""),
        (6.2, "after 10,000 steps its loss is 3.1 times the loss after 2,000"),
        (math.inf, "after 10,000 steps its values have blown up"),
    ],
)
def test_a_rule_that_does_not_last_is_reported(late: float, words: str) -> None:
    warning = Candidate(Rule(RuleSettings(4, 8)), 9, 1.0, 2.0, late).warning
    assert words in warning
    assert bool(words) == bool(warning)


def test_what_has_always_been_blown_up_does_not_last() -> None:
    assert (
        "blown up" in Candidate(Rule(RuleSettings(4, 8)), 9, math.inf, math.inf, math.inf).warning
    )


def test_the_lessons_loss_is_scored_picture_by_picture() -> None:
    rule = bounded_rule(RuleSettings(4, 8, start="noise"))
    task = synthesis("lesson20")
    one, other = (long_run_score(task, rule, (5,), range(seed, seed + 1)).loss for seed in (0, 1))
    both = long_run_score(task, rule, (5,), range(2)).loss
    assert both < 3 * max(one, other)


def test_the_decoder_of_a_candidate_draws_its_pictures() -> None:
    settings = train_settings(
        "a.png", "out", "tiny", size=64, grid=32, late_grid=32, features="random", decoder=2
    )
    task = Synthesis(settings, torch.rand(3, 64, 64, generator=generator()), generator(), Engine())
    candidate = task.rule.with_settings()
    before = long_run_score(task, candidate, (5,), range(1))
    with torch.no_grad():
        task.rule.decoder.w2 += 0.1
    assert long_run_score(task, candidate, (5,), range(1)) == before
    assert long_run_score(task, task.rule.with_settings(), (5,), range(1)) != before


def test_the_last_rule_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = KeepBest(None, Fixed({}), 0)
    monkeypatch.setattr(keep, "score", lambda *_: Score((1.0,), 1.0))
    learner = SimpleNamespace(model=Rule(RuleSettings(4, 8)), iteration=8, progress=1.0)
    keep.after_batch(learner)  # type: ignore[arg-type]
    keep.after_fit(learner)  # type: ignore[arg-type]
    learner.iteration = 9
    keep.after_fit(learner)  # type: ignore[arg-type]
    assert [candidate.iteration for candidate in keep.candidates] == [8, 9]


def test_scores_draw_the_same_random_numbers_every_time() -> None:
    task = synthesis("transport")
    state, target = task.pool.states[:3] + 0.1, torch.arange(3)
    before = task.generator.get_state()
    first = task.score(task.rule, state, target)
    assert torch.equal(first, task.score(task.rule, state, target))
    assert torch.equal(task.generator.get_state(), before)
