"""Schedules and targets against their closed forms and diffusers."""

import math

import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler

from nca.ddpm.diffusion.draw import noise_levels
from nca.ddpm.diffusion.parameterization import build_parameterization
from nca.ddpm.diffusion.schedules import (
    Discrete,
    Flow,
    LogNormal,
    Schedule,
    build_schedule,
    cosine,
    even_levels,
    flow_levels,
    karras_levels,
    linear,
    sigmoid,
)
from nca.errors import InputError


def test_linear_is_that_of_diffusers() -> None:
    betas = DDPMScheduler(beta_schedule="linear").alphas_cumprod
    torch.testing.assert_close(linear(1000).float(), betas, rtol=1e-4, atol=1e-6)


def test_cosine_is_that_of_diffusers() -> None:
    alpha_bar = DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(cosine(1000).float(), alpha_bar, rtol=1e-4, atol=1e-6)


def test_cosine_is_a_squared_cosine() -> None:
    mine = cosine(1000)
    for t in (0, 250, 500, 900):
        position = ((t + 1) / 1000 + 0.008) / 1.008
        start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        assert mine[t] == pytest.approx(math.cos(position * math.pi / 2) ** 2 / start, rel=1e-9)


def test_sigmoid_is_symmetric_about_its_middle() -> None:
    mine = sigmoid(1000)
    assert mine[499] == pytest.approx(0.5)
    assert mine[249] + mine[749] == pytest.approx(1)
    # By hand: (s(1.5) - s(-3)) / (s(3) - s(-3)) at a quarter of the way.
    s = [1 / (1 + math.exp(-z)) for z in (1.5, -3, 3)]
    assert mine[249] == pytest.approx((s[0] - s[1]) / (s[2] - s[1]))


@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid"])
def test_200_steps_end_at_about_the_noise_of_1000(name: str) -> None:
    few, many = build_schedule(name, 200), build_schedule(name, 1000)  # type: ignore[arg-type]
    quantiles = torch.tensor([0.1, 0.5, 0.9])
    a, b = (schedule.sigma(schedule.times(quantiles)) for schedule in (few, many))
    torch.testing.assert_close(a, b, rtol=0.16, atol=0)


@pytest.mark.parametrize(
    "schedule", [Discrete(cosine(1000)), LogNormal(), Flow()], ids=["cosine", "karras", "flow"]
)
def test_time_is_the_inverse_of_sigma(schedule: Schedule) -> None:
    times = torch.tensor([0.25, 1.0, 7.5, 600.0, 998.75]).double()
    torch.testing.assert_close(schedule.time(schedule.sigma(times)), times)
    quantiles = torch.linspace(0.001, 0.999, 50).double()
    back = schedule.quantiles(schedule.times(quantiles))
    torch.testing.assert_close(back, quantiles, rtol=0, atol=0.0006)


def test_whole_times_are_levels() -> None:
    schedule = Discrete(linear(1000))
    assert schedule.time(schedule.levels).tolist() == pytest.approx(range(1000), abs=1e-9)
    assert even_levels(schedule, 1000).flip(0).tolist() == pytest.approx(schedule.levels.tolist())


def test_karras_draws_log_normal_levels() -> None:
    schedule = LogNormal()
    logs = schedule.sigma(schedule.times((torch.arange(10_000) + 0.5) / 10_000)).log()
    assert logs.mean() == pytest.approx(-1.2, abs=1e-3)
    assert logs.std() == pytest.approx(1.2, rel=1e-3)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of theirs
def test_karras_levels_are_those_of_diffusers() -> None:
    theirs = EulerDiscreteScheduler(use_karras_sigmas=True)
    theirs.set_timesteps(20)
    schedule = Discrete(linear(1000))
    mine = karras_levels(schedule, 20, math.inf)
    # Theirs run between the extremes of their own levels, in float32.
    torch.testing.assert_close(mine.float(), theirs.sigmas[:-1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid", "karras", "flow"])
def test_most_levels_are_where_pictures_appear(name: str) -> None:
    """The highest level of a cosine schedule must not raise the others."""
    levels = karras_levels(build_schedule(name, 1000), 20)  # type: ignore[arg-type]
    assert levels[0] <= 80
    assert ((levels > 0.05) & (levels < 20)).sum() >= 11


@pytest.mark.parametrize("sampler", ["dpmpp", "ddim"])
@pytest.mark.parametrize("name", ["linear", "cosine", "karras"])
def test_strength_is_the_part_of_the_noise_at_the_start(name: str, sampler: str) -> None:
    """For every schedule and spacing, and always with the same number of steps."""
    schedule = build_schedule(name, 1000)  # type: ignore[arg-type]
    for strength in (0.2, 0.5, 0.9):
        first, *others = noise_levels(schedule, 12, sampler, strength=strength)
        assert first / (1 + first**2) ** 0.5 == pytest.approx(math.sin(strength * math.pi / 2))
        assert len(others) == 12
        assert others[-2] == pytest.approx(schedule.lowest)
    with pytest.raises(InputError, match=r"`strength` 0\.001: must be above 0\.00"):
        noise_levels(schedule, 12, sampler, strength=0.001)


@pytest.mark.parametrize("name", ["cosine", "karras", "flow"])
def test_levels_of_flow_are_even_in_its_time(name: str) -> None:
    """Down to 0, which is the level after the last one."""
    schedule = build_schedule(name, 1000)  # type: ignore[arg-type]
    levels = flow_levels(schedule, 8)
    assert levels[0] == pytest.approx(schedule.highest)
    t = torch.cat([levels / (1 + levels), torch.zeros(1)])
    assert t.diff().tolist() == pytest.approx([-float(t[0]) / 8] * 8)
    assert noise_levels(schedule, 8, "flow") == pytest.approx([*levels.tolist(), 0])
    assert noise_levels(schedule, 8, "euler", "flow") == noise_levels(schedule, 8, "flow")


def test_alpha_bar_must_fall() -> None:
    for wrong in ([0.9, 0.9], [0.5, 0.6], [1.0, 0.5], [0.5, 0.0]):
        with pytest.raises(ValueError, match="alpha_bar must fall"):
            Discrete(torch.tensor(wrong))


@pytest.mark.parametrize("name", ["noise", "image", "v", "edm", "flow"])
def test_a_perfect_network_gives_the_image_back(name: str) -> None:
    parameterization = build_parameterization(name, 0.5)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    pictures, noise = torch.randn(2, 6, 1, 4, 4, generator=generator)
    sigma = torch.logspace(-2, 1.5, 6, dtype=torch.float64)
    spread = sigma.float()[:, None, None, None]
    x = pictures + spread * noise
    output = parameterization.target(pictures, noise, sigma)
    skip, out = (
        part(sigma).float()[:, None, None, None]
        for part in (parameterization.skip, parameterization.out)
    )
    torch.testing.assert_close(skip * x + out * output, pictures, rtol=1e-4, atol=1e-4)


def test_targets_are_what_their_papers_say() -> None:
    pictures, noise = torch.randn(2, 5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    schedule = Discrete(cosine(1000))
    times = torch.tensor([3, 200, 500, 800, 990])
    sigma, alpha_bar = schedule.sigma(times), schedule.alpha_bar[times].float()[:, None, None, None]
    v = alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * pictures
    torch.testing.assert_close(
        build_parameterization("noise", 1).target(pictures, noise, sigma), noise
    )
    torch.testing.assert_close(
        build_parameterization("image", 1).target(pictures, noise, sigma), pictures
    )
    torch.testing.assert_close(build_parameterization("v", 1).target(pictures, noise, sigma), v)
    torch.testing.assert_close(
        build_parameterization("flow", 1).target(pictures, noise, sigma), noise - pictures
    )
    # Karras et al. 2022, table 1, with sigma_data = 0.5.
    s = sigma.float()[:, None, None, None]
    skip, out = 0.25 / (s**2 + 0.25), s * 0.5 / (s**2 + 0.25).sqrt()
    edm = (pictures - skip * (pictures + s * noise)) / out
    target = build_parameterization("edm", 0.5).target(pictures, noise, sigma)
    torch.testing.assert_close(target, edm, rtol=1e-3, atol=1e-3)


def test_min_snr_weights_are_those_of_the_paper() -> None:
    snr = torch.logspace(-3, 3, 7, dtype=torch.float64)
    sigma, capped = snr.pow(-0.5), snr.clamp(max=5)
    for name, expected in {
        "noise": capped / snr,
        "image": capped,
        "v": capped / (snr + 1),
    }.items():
        weights = build_parameterization(name, 1).min_snr(sigma)  # type: ignore[arg-type]
        torch.testing.assert_close(weights, expected)
