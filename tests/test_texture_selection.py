"""Which rule is kept: scores after long runs, and a warning of those that do not last."""

import math

import pytest
import torch

from nca.losses.texture import TextureLoss, build_texture_loss
from nca.rule import Rule, RuleSettings
from nca.texture import selection
from nca.texture.selection import Candidate, KeepBest, LongRun, long_run_score
from nca.texture.task import texture_run
from tests.rules import bounded_rule


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def score(rule: Rule, loss: TextureLoss, side: int, steps: int, seeds: range) -> float:
    return long_run_score([texture_run(rule, loss, side, seeds)], (steps,), seeds.start)


def test_a_rule_that_explodes_has_an_infinite_score() -> None:
    rule = Rule(RuleSettings(4, 8), generator=generator())
    loss = build_texture_loss(torch.rand(1, 3, 32, 32), "random", "gram", generator())
    calm = score(rule, loss, 16, 5, range(2))
    assert math.isfinite(calm)
    with torch.no_grad():
        rule.w2 += 1
    assert score(rule, loss, 16, 50, range(2)) == math.inf


def run_to(rule: Rule, distance: float) -> LongRun:
    return LongRun(rule, torch.zeros(1, 4, 4, 4), lambda _: torch.tensor([distance]))


def test_the_one_that_lasts_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "LONG", 3)
    rules = [Rule(RuleSettings(4, 8)) for _ in range(3)]
    late = {id(rules[0]): math.inf, id(rules[1]): 2.5, id(rules[2]): 9.0}
    keep = KeepBest(None, lambda rule, _: [run_to(rule, late[id(rule)])], 0)
    keep.candidates = [Candidate(rule, i, 1.0 + i) for i, rule in enumerate(rules)]
    assert keep.choose() is keep.candidates[1]
    assert [candidate.lasts for candidate in keep.candidates] == [False, True, False]
    late[id(rules[1])] = math.nan
    assert keep.choose() is keep.candidates[0]
    assert keep.candidates[0].late == math.inf


@pytest.mark.parametrize(
    ("late", "words"),
    [
        (2.9, ""),
        (6.2, "after 10,000 steps the loss is 3.1 times that of the first 2,000"),
        (math.inf, "after 10,000 steps it has blown up"),
    ],
)
def test_a_rule_that_does_not_last_is_told_of(late: float, words: str) -> None:
    warning = Candidate(Rule(RuleSettings(4, 8)), 9, 2.0, late).warning
    assert words in warning
    assert bool(words) == bool(warning)


def test_what_has_always_been_blown_up_does_not_last() -> None:
    assert "blown up" in Candidate(Rule(RuleSettings(4, 8)), 9, math.inf, math.inf).warning


def test_the_lessons_loss_is_scored_picture_by_picture() -> None:
    rule = bounded_rule(RuleSettings(4, 8, seed_state="noise"))
    target = torch.rand(1, 3, 32, 32, generator=generator())
    loss = build_texture_loss(target, "random", "lesson20", generator())
    one, other = (score(rule, loss, 32, 5, range(seed, seed + 1)) for seed in (0, 1))
    both = score(rule, loss, 32, 5, range(2))
    assert both < 3 * max(one, other)
