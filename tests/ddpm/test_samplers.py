"""Samplers against diffusers' schedulers, step for step, and against data with a known result."""

import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
)
from torch import Tensor

from nca.ddpm.diffusion.denoiser import Clipped, Denoise
from nca.ddpm.diffusion.draw import draw, noise_levels
from nca.ddpm.diffusion.samplers import (
    DDIM,
    DDPM,
    DPMPP,
    LMS,
    DDPMSkip,
    Flow,
    Heun,
    build_sampler,
    multistep_weights,
)
from nca.ddpm.diffusion.sampling_loop import Sampler, Step
from nca.ddpm.diffusion.schedules import (
    Discrete,
    LogNormal,
    Schedule,
    karras_levels,
    linear,
)
from nca.ddpm.diffusion.schedules import Flow as FlowSchedule

MEAN, DEVIATION = 0.3, 0.6


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """The best denoiser of pictures whose values are independent and normal."""
    square = DEVIATION**2
    return (square * x + sigma**2 * MEAN) / (square + sigma**2)


def predict_noise(x_t: Tensor, t: int) -> Tensor:
    """A function that replaces a network."""
    return torch.sin(3 * x_t + 0.01 * t) + 0.5 * x_t


def as_denoiser(schedule: Discrete) -> Denoise:
    def denoise(x: Tensor, sigma: float) -> Tensor:
        t = round(float(schedule.time(torch.tensor([sigma]).double())))
        return x - sigma * predict_noise(x * (1 + sigma**2) ** -0.5, t)

    return Clipped(denoise)


class Recorded:
    """Noise that can be drawn again in the same order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.generator = shape, torch.Generator().manual_seed(5)

    def __call__(self) -> Tensor:
        return torch.randn(self.shape, generator=self.generator, dtype=torch.float64)


def theirs(scheduler: DDPMScheduler | DDIMScheduler, x_t: Tensor, **options: float) -> list[Tensor]:
    """x_t after every step of a scheduler, with the same noise as our sampler."""
    noise, states = Recorded(tuple(x_t.shape)), [x_t]
    for t in scheduler.timesteps.tolist():
        output = predict_noise(x_t, t)
        if isinstance(scheduler, DDIMScheduler):
            fresh = noise() if options["eta"] > 0 and t > 0 else None
            x_t = scheduler.step(
                output, t, x_t, use_clipped_model_output=True, variance_noise=fresh, **options
            ).prev_sample
        else:
            x_t = scheduler.step(output, t, x_t).prev_sample
        states.append(x_t)
    return states


def recorded(sampler: Sampler, schedule: Discrete, times: list[int]) -> list[Tensor]:
    """The same for our sampler, as x_t of the variance-preserving process."""
    sigmas = [*schedule.sigma(torch.tensor(times)).tolist(), 0.0]
    x_t = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    states: list[Tensor] = []

    def watch(step: Step) -> None:
        states.append(step.x * (1 + step.sigma**2) ** -0.5)

    x = x_t * (1 + sigmas[0] ** 2) ** 0.5
    noise = Recorded(tuple(x.shape))
    states.append(sampler(as_denoiser(schedule), x, sigmas, noise, watch))
    return states


@pytest.fixture
def patched_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Diffusers' DDPM draws its noise with a function of its module: replace it by ours."""
    from diffusers.schedulers import scheduling_ddpm  # noqa: PLC0415

    noise = Recorded((2, 1, 4, 4))
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: noise())


@pytest.mark.usefixtures("patched_noise")
@pytest.mark.parametrize(("variance", "large"), [("fixed_large", True), ("fixed_small", False)])
@pytest.mark.parametrize("steps", [1000, 50])
def test_ddpm_takes_the_steps_of_diffusers(variance: str, large: bool, steps: int) -> None:
    schedule = Discrete(linear(1000))
    scheduler = DDPMScheduler(variance_type=variance, clip_sample=True)
    scheduler.alphas_cumprod = schedule.alpha_bar  # theirs are float32
    scheduler.set_timesteps(steps)
    mine = recorded(DDPM(large), schedule, scheduler.timesteps.tolist())
    for a, b in zip(mine, theirs(scheduler, mine[0]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_takes_the_steps_of_diffusers(eta: float) -> None:
    schedule = Discrete(linear(1000))
    scheduler = DDIMScheduler(clip_sample=True)
    scheduler.alphas_cumprod = schedule.alpha_bar
    scheduler.set_timesteps(50)
    mine = recorded(DDIM(eta), schedule, scheduler.timesteps.tolist())
    for a, b in zip(mine, theirs(scheduler, mine[0], eta=eta), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def velocity(x_t: Tensor, t: float) -> Tensor:
    """A function that replaces a network that was trained with flow matching."""
    return torch.sin(3 * x_t + t) + 0.5 * x_t


def along_the_flow(sampler: Sampler, x_t: Tensor, t: Tensor) -> Tensor:
    """The result of a sampler at times of a rectified flow; its state is x_t / (1 - t)."""

    def denoise(x: Tensor, sigma: float) -> Tensor:
        x_t, t = x / (1 + sigma), sigma / (1 + sigma)
        return x_t - t * velocity(x_t, t)

    sigmas = [*(t / (1 - t)).tolist(), 0.0]
    return sampler(denoise, x_t * (1 + sigmas[0]), sigmas, Recorded(tuple(x_t.shape)))


FLOW_TIMES = torch.linspace(0.98, 0, 9, dtype=torch.float64)[:-1]


def test_euler_takes_the_steps_of_flow_matching_in_diffusers() -> None:
    x_t = start = Recorded((2, 1, 4, 4))().float()
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=FLOW_TIMES.tolist())
    for t in scheduler.timesteps:
        x_t = scheduler.step(velocity(x_t, float(t) / 1000), t, x_t).prev_sample
    mine = along_the_flow(LMS(order=1), start.double(), FLOW_TIMES)
    torch.testing.assert_close(mine.float(), x_t, rtol=1e-4, atol=1e-5)


def test_flow_takes_the_steps_of_heun_in_diffusers() -> None:
    x_t = start = Recorded((2, 1, 4, 4))().float()
    scheduler = FlowMatchHeunDiscreteScheduler()
    scheduler.sigma_max, scheduler.sigma_min = 0.98, 0.98 / 8
    scheduler.set_timesteps(8)
    for t in scheduler.timesteps:
        x_t = scheduler.step(velocity(x_t, float(t) / 1000), t, x_t).prev_sample
    mine = along_the_flow(Flow(), start.double(), FLOW_TIMES)
    torch.testing.assert_close(mine.float(), x_t, rtol=1e-4, atol=1e-5)


def test_8_steps_follow_the_flow_of_a_gaussian() -> None:
    """In closed form: the distance from the mean goes with the std of the noised pictures."""
    noise = Recorded((1, 1, 16, 16))
    sigmas = noise_levels(FlowSchedule(), 8, "flow")
    x = sigmas[0] * Recorded((1, 1, 16, 16))()
    exact = MEAN + (x - MEAN) * DEVIATION / math.hypot(DEVIATION, sigmas[0])

    def error(sampler: Sampler) -> float:
        return float((sampler(gaussian, x, sigmas, noise) - exact).square().mean().sqrt())

    assert error(Flow()) < 0.02
    assert error(Flow()) < error(LMS(order=1)) / 5
    assert error(Flow()) < error(Heun()) / 5


# Allowed distances of mean and std from the data, beyond the scatter of 16,384 draws.
SAMPLERS = {
    "ddpm": (DDPM(large=True), 1000, 0.02),
    "ddpm, small variance": (DDPM(), 1000, 0.02),
    "ddpm-skip": (DDPMSkip(), 1000, 0.06),
    "ddim": (DDIM(), 200, 0.02),
    "ddim, eta 0.5": (DDIM(eta=0.5), 200, 0.02),
    "euler": (LMS(order=1), 100, 0.03),
    "heun": (Heun(), 25, 0.01),
    "heun, churn": (Heun(churn=10, inflation=1.0), 50, 0.01),
    "lms": (LMS(), 40, 0.02),
    "dpmpp": (DPMPP(), 25, 0.02),
    "flow": (Flow(), 25, 0.01),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    "schedule", [Discrete(linear(1000)), LogNormal(), FlowSchedule()], ids=["vp", "karras", "flow"]
)
def test_every_sampler_reaches_mean_and_deviation(name: str, schedule: Schedule) -> None:
    sampler, steps, near = SAMPLERS[name]
    kind = name.partition(",")[0]
    sigmas = noise_levels(schedule, steps, kind)
    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(4, 1, 64, 64, generator=generator, dtype=torch.float64)

    x = sampler(gaussian, sigmas[0] * noise(), sigmas, noise)
    scatter = 4 * DEVIATION / math.sqrt(x.numel())
    assert abs(float(x.mean()) - MEAN) < near * DEVIATION + scatter
    assert abs(float(x.std()) - DEVIATION) < near * DEVIATION + scatter


def test_heun_is_of_second_order() -> None:
    """Half the steps, a quarter of the error; Euler only halves it."""
    x = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)

    def error(sampler: Sampler, steps: int) -> float:
        sigmas = [*torch.linspace(2, 0.5, steps + 1).tolist(), 0.0]
        states: list[Tensor] = []
        sampler(gaussian, x, sigmas, Recorded((1, 1, 1, 1)), lambda step: states.append(step.x))
        # The equation has a solution: distance from the mean goes with the std of x.
        factor = math.sqrt((DEVIATION**2 + 0.25) / (DEVIATION**2 + 4))
        return abs(float(states[-1]) - (MEAN + (2 - MEAN) * factor))

    assert error(LMS(order=1), 20) / error(LMS(order=1), 40) == pytest.approx(2, rel=0.1)
    assert error(Heun(), 20) / error(Heun(), 40) == pytest.approx(4, rel=0.1)
    assert error(Flow(), 20) / error(Flow(), 40) == pytest.approx(4, rel=0.1)
    assert error(DPMPP(), 20) / error(DPMPP(), 40) > 3.5
    assert error(LMS(), 40) < error(Heun(), 40)


def test_churn_denoises_at_the_raised_level() -> None:
    seen: list[float] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        seen.append(sigma)
        return gaussian(x, sigma)

    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    Heun(churn=0.4)(denoise, x, [4.0, 1.0, 0.0], Recorded((1, 1, 2, 2)))
    assert seen == pytest.approx([4.0 * 1.2, 1.0, 1.0 * 1.2])


def test_multistep_weights_integrate_polynomials() -> None:
    """Four nodes are exact up to the third power."""
    nodes, after = [3.0, 4.0, 6.0, 9.0], 1.0
    for power in range(4):
        integral = (after ** (power + 1) - nodes[0] ** (power + 1)) / (power + 1)
        weights = multistep_weights(nodes, after)
        assert sum(w * n**power for w, n in zip(weights, nodes, strict=True)) == pytest.approx(
            integral
        )


def test_the_skip_call_asks_a_third_of_the_time() -> None:
    asked: list[float] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        asked.append(sigma)
        return gaussian(x, sigma)

    schedule = Discrete(linear(1000))
    sigmas = noise_levels(schedule, 1000, "ddpm-skip")
    x = torch.zeros(1, 1, 2, 2)
    DDPMSkip()(denoise, x, sigmas, lambda: torch.zeros_like(x))
    times = schedule.time(torch.tensor(asked)).round().int().tolist()
    # Notebook 19's condition; its first call is at 999, which 3 divides.
    assert times == [t for t in reversed(range(1000)) if t % 3 == 0 or t < 50]


def test_a_picture_depends_on_its_own_seed_alone() -> None:
    sigmas = noise_levels(LogNormal(), 8, "heun")
    sampler = build_sampler("heun", churn=5)

    def one(seeds: range) -> Tensor:
        return draw(gaussian, sampler, sigmas, (1, 8, 8), seeds)

    torch.testing.assert_close(one(range(6))[3:5], one(range(3, 5)), rtol=0, atol=0)
    assert not torch.equal(one(range(1)), one(range(1, 2)))


def test_levels_must_fall_to_nothing() -> None:
    x = torch.zeros(1, 1, 2, 2)
    for wrong in ([1.0, 2.0, 0.0], [2.0, 1.0], [0.0]):
        with pytest.raises(ValueError, match="fall and end at 0"):
            LMS(order=1)(gaussian, x, wrong, lambda: x)


def test_karras_levels_run_from_the_highest_to_the_lowest() -> None:
    levels = karras_levels(LogNormal(), 18)
    assert levels[0] == pytest.approx(80)
    assert levels[-1] == pytest.approx(0.002)
    assert (levels.diff() < 0).all()
