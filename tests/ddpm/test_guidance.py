"""Guidance: its effect on an estimate, and its use with every sampler."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nca.ddpm.diffusion.draw import draw, noise_levels
from nca.ddpm.diffusion.guidance import (
    ClassFree,
    Guided,
    structure_distance,
    style_distance,
    to_unit,
)
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.diffusion.schedules import Discrete, cosine
from nca.ddpm.settings import SamplerName

SCHEDULE = Discrete(cosine(1000))


def unsure(x: Tensor, sigma: float) -> Tensor:
    """The best denoiser of pictures of independent values of mean 0 and std 1/2."""
    return x * 0.25 / (0.25 + sigma**2)


def light(images: Tensor) -> dict[str, Tensor]:
    """The loss is the difference from white, in two terms."""
    missing = (1 - images).square().mean((2, 3))
    return {"red": missing[:, 0], "others": missing[:, 1:].sum(1)}


def test_class_free_guidance_goes_on_beyond_the_class() -> None:
    def conditional(x: Tensor, _: float) -> Tensor:
        return torch.full_like(x, 0.5)

    def unconditional(x: Tensor, _: float) -> Tensor:
        return torch.full_like(x, 0.2)

    x = torch.zeros(2, 1, 4, 4)
    for scale, expected in {0.0: 0.2, 1.0: 0.5, 3.0: 1.1}.items():
        result = ClassFree(conditional, unconditional, scale)(x, 1.0)
        torch.testing.assert_close(result, torch.full_like(x, expected))


def test_a_guess_moves_against_the_gradient_by_a_part_of_what_is_uncertain() -> None:
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = Guided(unsure, light, weight=2.0)(x, 2.0) - unsure(x, 2.0)
    # The gradient of the light is the same sign everywhere where the guess is below white.
    assert (moved > 0).all()
    reach = moved.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(reach, torch.full((3,), 0.25 * 2 * 2 / 5**0.5))
    still = Guided(unsure, light)(x, 1e-4) - unsure(x, 1e-4)
    assert still.abs().max() < 1e-3


def test_guidance_of_one_picture_does_not_touch_another() -> None:
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    guided = Guided(unsure, light)
    torch.testing.assert_close(guided(x, 1.0)[1:2], guided(x[1:2], 1.0))


@pytest.mark.parametrize("name", ["ddpm", "ddpm-skip", "ddim", "euler", "heun", "lms", "dpmpp"])
def test_guidance_works_with_every_sampler(name: SamplerName) -> None:
    sigmas = noise_levels(SCHEDULE, 20, name)

    def lost(denoise: Callable[[Tensor, float], Tensor]) -> float:
        pictures = draw(denoise, build_sampler(name), sigmas, (1, 8, 8), range(4))
        return float(torch.stack(list(light(to_unit(pictures)).values())).sum())

    assert lost(Guided(unsure, light)) < 0.9 * lost(unsure)


def stripes(size: int, across: bool) -> Tensor:
    """[1, 3, S, S]: stripes of a period of 6."""
    wave = (torch.arange(size) % 6 < 3).float()
    return (wave[:, None] if across else wave[None, :]).expand(1, 3, size, size)


def test_the_style_of_a_picture_is_taken_on() -> None:
    """Noise guided by stripes across becomes stripes across, and not down."""
    across, down = (style_distance(stripes(48, way), "random") for way in (True, False))
    sigmas = noise_levels(SCHEDULE, 20, "euler")

    def drawn(denoise: Callable[[Tensor, float], Tensor]) -> Tensor:
        return to_unit(draw(denoise, build_sampler("euler"), sigmas, (1, 28, 28), range(2)))

    def lost(distance: Callable[[Tensor], dict[str, Tensor]], images: Tensor) -> float:
        return float(torch.stack(list(distance(images).values())).sum())

    plain, guided = drawn(unsure), drawn(Guided(unsure, across))
    assert lost(across, guided) < 0.97 * lost(across, plain)
    # Noise is equally far from two styles that are rotations of each other.
    turned = drawn(Guided(unsure, down))
    assert lost(across, guided) < lost(across, turned)
    assert lost(down, turned) < lost(down, guided)


def test_the_structure_of_a_picture_is_kept() -> None:
    picture = torch.zeros(1, 3, 28, 28)
    picture[..., 6:22, 10:18] = 1
    distance = structure_distance(picture, "random")
    assert all(float(value) == 0 for value in distance(picture).values())
    sigmas = noise_levels(SCHEDULE, 20, "euler")
    guided = to_unit(
        draw(Guided(unsure, distance, 2.0), build_sampler("euler"), sigmas, (1, 28, 28), range(2))
    )
    inside = guided[..., 6:22, 10:18].mean()
    outside = (guided.sum() - guided[..., 6:22, 10:18].sum()) / (guided.numel() - 2 * 3 * 128)
    assert inside > outside + 0.2
