"""The automaton that removes noise: its state, its steps, its training and its samples."""

import math
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from nca.ddpm.checkpoint import Run
from nca.ddpm.command import draw_samples
from nca.ddpm.diffusion.automaton import COORDINATES, TIMES, Automaton, unit_filters
from nca.ddpm.settings import SamplerName, SampleSettings
from nca.errors import InputError
from tests.helpers.ddpm_run import tiny, trained_run

SMALL = {"cell_channels": 20, "cell_hidden": 12, "cell_steps": 3}


def automaton(classes: int | None = None) -> Automaton:
    torch.manual_seed(0)
    net = Automaton(1, 20, hidden=12, steps=3, patch=2, classes=classes)
    torch.nn.init.normal_(net.rule.w2, std=0.3)
    return net


def test_the_state_holds_pixels_coordinates_and_times() -> None:
    cells, times = torch.randn(2, 4, 3, 6), torch.tensor([0.0, 500.0])
    state = automaton().start(cells, times)
    assert state.shape == (2, 20, 3, 6)
    assert torch.equal(state[:, :4], cells)
    assert not state[:, 4:8].any()
    x, y = 2 * math.pi * 5 / 6, 2 * math.pi * 1 / 3
    place = torch.tensor([math.cos(x), math.sin(x), math.cos(y), math.sin(y)])
    torch.testing.assert_close(state[0, 8:12, 1, 5], place)
    waves = torch.tensor([math.cos(math.pi / 4), -1, math.sin(math.pi / 4), 0])
    torch.testing.assert_close(state[1, 12:16, 2, 0], waves)
    assert not state[:, 8 + COORDINATES + TIMES :].any()


@torch.no_grad()
def test_a_call_is_some_steps_of_its_rule() -> None:
    """Pixel by pixel: a cell holds a square of 2x2, and the output is in the next four channels."""
    net, x = automaton(classes=2), torch.randn(2, 1, 6, 8)
    times, classes = torch.tensor([3, 700]), torch.tensor([0, 2])
    cells = torch.stack([x[:, 0, i::2, j::2] for i in range(2) for j in range(2)], 1)
    state = net.start(cells, times, classes)
    assert net.classes is not None
    assert torch.equal(state[1, 16:, 0, 0], net.classes.weight[2])
    for _ in range(3):
        state = net.rule.step(state, torch.ones(2, 3, 4))
    expected = torch.empty_like(x)
    for k in range(4):
        expected[:, 0, k // 2 :: 2, k % 2 :: 2] = state[:, 4 + k]
    torch.testing.assert_close(net(x, times, classes), expected)


@torch.no_grad()
def test_any_side_and_first_output() -> None:
    net = Automaton(3, 40, hidden=8, steps=2, patch=2)
    x = torch.randn(2, 3, 13, 13)
    assert net(x, torch.tensor([1, 40])).shape == x.shape
    assert not net(x, torch.tensor([1, 40])).any()  # training starts at zero


def test_filters_keep_the_variance_of_noise() -> None:
    noise = torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    seen = F.conv2d(noise, unit_filters()[:, None])
    torch.testing.assert_close(seen.std((0, 2, 3)), torch.ones(4), rtol=0.05, atol=0)


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(InputError, match="`cell_channels` 15: must be 16 or more with `patch` 2"):
        Automaton(1, 15, hidden=8, steps=2, patch=2)
    with pytest.raises(InputError, match="`cell_channels` 16: must be 17 or more"):
        Automaton(1, 16, hidden=8, steps=2, patch=2, classes=3)
    with pytest.raises(InputError, match="`patch` 4: needs 104 channels per cell; a rule has at"):
        Automaton(3, 32, hidden=8, steps=2, patch=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_run(tmp_path_factory.mktemp("automaton"), net="nca", classes=True, **SMALL)


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_every_sampler_draws(run: Run, sampler: SamplerName) -> None:
    assert isinstance(run.model.network, Automaton)
    drawn = draw_samples(run, SampleSettings(run.path, Path(), n=2, steps=4, sampler=sampler))
    assert drawn.isfinite().all()
    assert not torch.equal(drawn[0], drawn[1])


def test_a_cell_must_hold_the_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`cell_channels` 12: must be 16 or more"):
        trained_run(tmp_path, net="nca", cell_channels=12)


def test_settings_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`cell_steps` 0: must be 1 to 256"):
        tiny(tmp_path, net="nca", cell_steps=0)
