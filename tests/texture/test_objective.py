import pytest
import torch

from nca.decoder import DecoderSettings
from nca.losses.build import build_loss
from nca.losses.settings import LossSettings, PenaltySettings
from nca.losses.texture import curvature
from nca.texture.objective import Grow, cap_gradients
from nca.texture.pool import Draw
from nca.texture.settings import TrainSettings
from nca.texture.tasks.synthesis import Synthesis
from nca.training.engines import Engine


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gradients_are_capped_at_the_median_and_the_blown_up_become_zero() -> None:
    state = torch.zeros(4, 1, 2, 2)
    state[3] = 5
    state.requires_grad_()
    weights = torch.tensor([1.0, 2.0, 100.0, 50.0])[:, None, None, None]
    capped = cap_gradients(state)
    assert torch.equal(capped[:3], state[:3])
    assert not capped[3].any()
    (capped * weights).sum().backward()
    assert state.grad is not None
    norms = state.grad.flatten(1).norm(dim=1)
    # Of 2, 4, 100 and 200 torch's median is 4; the last state blew up.
    assert norms.tolist() == pytest.approx([2.0, 4.0, 4.0, 0.0])


def test_objective_names_every_term(settings: TrainSettings) -> None:
    weighted = settings.override(texture_weight=2.0, features="random")
    target = torch.rand(3, 32, 32, generator=generator())
    task = Synthesis(weighted, target, generator(), Engine())
    rule, objective = task.rule, Grow(task, PenaltySettings(), cap=True)
    state = torch.rand(4, 4, 32, 32, generator=generator()) * 1.5
    masks = torch.ones(2, 4, 32, 32, dtype=torch.bool)
    draw = Draw(torch.arange(4), state, masks)
    terms = objective.losses(objective.predict(rule, draw), draw)
    plain = LossSettings(features="random")
    layers = build_loss(task.target[None], plain, generator())(rule.to_rgb(state))
    assert set(terms) == {"overflow", *layers}
    layer = "texture/bank1"
    assert torch.allclose(terms[layer], 2 * layers[layer].mean(), atol=1e-5)
    expected = 30 * (state - state.clamp(-1, 1)).abs().mean()
    assert terms["overflow"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("scale", [0, 2])
def test_only_channels_that_are_not_shown_must_be_smooth(
    settings: TrainSettings, scale: int
) -> None:
    decoder = DecoderSettings(scale) if scale else None
    chosen = settings.override(features="random", channels=5, decoder=scale, size=64)
    task = Synthesis(chosen, torch.rand(3, 64, 64, generator=generator()), generator(), Engine())
    assert task.rule.settings.decoder == decoder
    objective = Grow(task, PenaltySettings(0.0, 0.5))
    state = torch.rand(2, 5, 32, 32, generator=generator())
    draw = Draw(torch.arange(2), state, torch.ones(1, 2, 32, 32, dtype=torch.bool))
    term = objective.losses(state, draw)["curvature"]
    smooth = state if scale else state[:, 3:]
    assert term.item() == pytest.approx(0.5 * curvature(smooth, wraps=True).mean().item())
