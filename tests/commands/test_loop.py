"""Films that repeat without a jump."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from nca.backends.simulate import simulate
from nca.commands.loop import run_loop
from nca.gallery import gallery_path
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule


def film(rule: Rule, frames: int, every: int = 1, grown: int = 100) -> list[Tensor]:
    start = rule.initial_state(1, 32, 32)

    def run(stops: Sequence[int]) -> Iterator[Tensor]:
        return simulate(rule, start, stops, seed=3)

    return [
        rule.to_rgb(state) for state in run_loop(rule, run, frames, every=every, grown=grown)
    ]  # in this order: a state may change after it was yielded


@pytest.mark.parametrize(("frames", "every"), [(30, 4), (24, 1)])
def test_the_last_frame_leads_to_the_first(frames: int, every: int) -> None:
    shown = film(load_rule(gallery_path("lava")).rule, frames, every)
    assert len(shown) == frames
    changes = [float((b - a).abs().mean()) for a, b in pairwise(shown)]
    assert float((shown[0] - shown[-1]).abs().mean()) <= max(changes)
    far = max(float((shown[0] - frame).abs().mean()) for frame in shown)
    assert far > 1.2 * max(changes)  # or any film would pass


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_short_films_are_complete(frames: int) -> None:
    assert len(film(Rule(RuleSettings(channels=4, hidden=8)), frames, grown=0)) == frames


def test_the_first_frames_are_those_of_an_ordinary_run() -> None:
    rule = load_rule(gallery_path("scales")).rule
    shown = film(rule, 9, grown=40)
    (start,) = (
        step
        for step, state in zip(
            range(40, 49), simulate(rule, rule.initial_state(1, 32, 32), range(40, 49), seed=3),
            strict=True,
        )
        if torch.equal(rule.to_rgb(state), shown[0])
    )  # fmt: skip
    usual = simulate(rule, rule.initial_state(1, 32, 32), range(start, start + 6), seed=3)
    assert all(
        torch.equal(rule.to_rgb(state), one) for state, one in zip(usual, shown, strict=False)
    )
