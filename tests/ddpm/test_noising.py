"""Noise in the collate function: contents of a batch, distribution of times, random generators."""

import math
import pickle
from typing import Any, get_args

import pytest
import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from nca.ddpm.data.dataset import ImageDataset
from nca.ddpm.diffusion.denoiser import Denoiser
from nca.ddpm.diffusion.noising import (
    Batch,
    Denoising,
    Noisify,
    build_loader,
    from_bytes,
    noise_loss,
    to_bytes,
)
from nca.ddpm.diffusion.parameterization import build_parameterization
from nca.ddpm.diffusion.schedules import Discrete, Flow, LogNormal, Schedule, cosine, linear
from nca.ddpm.diffusion.times import ByLoss, LogitNormal, Stratified, Uniform
from nca.ddpm.settings import TargetName
from nca.training.callback import Callback
from nca.training.learner import Learner

PICTURES = ImageDataset(
    torch.randint(256, (64, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8),
    torch.arange(64) % 4,
    ("a", "b", "c", "d"),
)
TARGETS = get_args(TargetName)
ITEMS = [PICTURES[i] for i in range(64)]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_a_batch_is_the_process_of_the_paper() -> None:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise, and the noise is the target."""
    schedule = Discrete(linear(1000))
    batch = Noisify(schedule, build_parameterization("noise", 1))(ITEMS)
    alpha_bar = schedule.alpha_bar[batch.times].float()[:, None, None, None]
    x_0 = from_bytes(PICTURES.images)
    expected = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * batch.target
    torch.testing.assert_close(batch.input, expected)
    assert batch.classes is None
    assert batch.weights is None
    assert batch.times.min() >= 0
    assert batch.times.max() < 1000
    assert batch.target.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "schedule", [Discrete(cosine(200)), LogNormal(), Flow()], ids=["200", "karras", "flow"]
)
def test_a_network_that_learned_all_denoises(name: TargetName, schedule: Schedule) -> None:
    """Batch and denoiser agree on input, time and target."""
    std = PICTURES.info().std
    parameterization = build_parameterization(name, std)
    batch = Noisify(schedule, parameterization, Stratified())(ITEMS[:8])

    class Learned(nn.Module):
        def forward(self, x: Tensor, at: Tensor) -> Tensor:
            times = batch.times[i : i + 1].double()
            torch.testing.assert_close(x, batch.input[i : i + 1], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(at.double(), times, rtol=1e-4, atol=1e-3)
            return batch.target[i : i + 1]

    denoise = Denoiser(Learned(), schedule, parameterization)
    for i in range(8):
        sigma = schedule.sigma(batch.times[i])
        x = batch.input[i : i + 1] / float(parameterization.scale(sigma))
        picture = denoise(x, float(sigma))
        torch.testing.assert_close(picture, from_bytes(ITEMS[i][0])[None], rtol=0, atol=2e-2)


def test_bytes_come_back() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(from_bytes(every)), every)
    assert from_bytes(every).aminmax() == (-1, 1)


def test_a_tenth_of_a_batch_has_no_class() -> None:
    noisify = Noisify(Discrete(linear(1000)), build_parameterization("v", 1), classes=4)
    classes = torch.stack([noisify(ITEMS).classes for _ in range(30)])
    known = torch.where(classes == 4, PICTURES.labels, classes)
    assert torch.equal(known, PICTURES.labels.repeat(30, 1))
    assert (classes == 4).float().mean() == pytest.approx(0.1, abs=0.03)


def test_accelerate_moves_a_batch() -> None:
    noisify = Noisify(Discrete(linear(1000)), build_parameterization("v", 1), min_snr=True)
    batch = send_to_device(noisify(ITEMS), torch.device("meta"))
    assert isinstance(batch, Batch)
    assert batch.classes is None
    for moved in (batch.input, batch.times, batch.target, batch.weights):
        assert moved.device.type == "meta"


def test_stratified_times_visit_every_part() -> None:
    quantiles, weights = Stratified().draw(100)
    assert weights is None
    assert (100 * quantiles).long().tolist() == list(range(100))


def test_uniform_times_are_uniform() -> None:
    quantiles, weights = Uniform().draw(20_000)
    assert weights is None
    assert quantiles.mean() == pytest.approx(0.5, abs=0.01)
    assert quantiles.std() == pytest.approx(12**-0.5, abs=0.01)


def test_logit_normal_times_have_a_normal_logit() -> None:
    quantiles, weights = LogitNormal().draw(20_000)
    assert weights is None
    logits = quantiles.logit()
    assert logits.mean() == pytest.approx(0, abs=0.01)
    assert logits.std() == pytest.approx(1, abs=0.01)
    assert logits.pow(4).mean() == pytest.approx(3, abs=0.1)


def test_with_the_schedule_of_flow_a_batch_lies_on_straight_paths() -> None:
    """x_t = (1 - t) x_0 + t noise, and the target is its derivative with respect to t."""
    batch = Noisify(Flow(), build_parameterization("flow", 1), LogitNormal())(ITEMS)
    t = (batch.times / 1000).float()[:, None, None, None]
    x_0 = from_bytes(PICTURES.images)
    noise = batch.target + x_0
    torch.testing.assert_close(batch.input, (1 - t) * x_0 + t * noise)
    assert noise.std() == pytest.approx(1, abs=0.05)


def test_times_by_loss_are_drawn_by_the_root_of_its_square_and_weighed_back() -> None:
    times = ByLoss(Discrete(linear(1000)), bins=4, floor=0.0)
    times.squares = torch.tensor([1.0, 1.0, 4.0, 16.0]).double()
    quantiles, weights = times.draw(40_000)
    shares = torch.bincount((4 * quantiles).long(), minlength=4) / 40_000
    assert shares.tolist() == pytest.approx([1 / 8, 1 / 8, 2 / 8, 4 / 8], abs=0.01)
    # Any mean over the times is what it would be without the choice.
    assert (weights * quantiles).mean() == pytest.approx(0.5, abs=0.01)


class Blind(nn.Module):
    """Returns one number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        del times
        return self.number.expand_as(x)


def test_times_by_loss_learn_of_the_losses() -> None:
    """With the image as target, a blind network has equal losses at all times; halve some."""
    schedule = Discrete(linear(1000))
    times = ByLoss(schedule, bins=2, decay=0.5)
    noisify = Noisify(schedule, build_parameterization("image", 1), times)
    loader = build_loader(PICTURES, noisify, 32, seed=0)

    class Easier(Callback):
        def after_predict(self, learner: Learner) -> None:
            early = (learner.batch.times < 500).float()[:, None, None, None]
            learner.prediction = learner.prediction + early * learner.batch.target

    learner = Learner(
        Blind(),
        loader,
        Denoising(),
        torch.optim.SGD([nn.Parameter(torch.zeros(()))], 0.0),
        callbacks=[Easier(), times],
    )
    learner.fit(4)
    assert times.squares[0] < 1e-3
    assert times.squares[1] == pytest.approx((4 / 3 * 0.25) ** 2, rel=0.4)
    other = ByLoss(schedule, bins=2)
    other.load_state_dict(times.state_dict())
    assert torch.equal(other.probabilities(), times.probabilities())


def test_the_loss_is_weighed_by_picture() -> None:
    prediction, target = torch.zeros(2, 1, 2, 2), torch.tensor([1.0, 2.0])[:, None, None, None]
    target = target.expand(2, 1, 2, 2)
    assert noise_loss(prediction, target) == 2.5
    assert noise_loss(prediction, target, torch.tensor([1.0, 0.0])) == 0.5


def test_min_snr_weighs_a_batch() -> None:
    schedule = Discrete(linear(1000))
    batch = Noisify(schedule, build_parameterization("noise", 1), min_snr=True)(ITEMS)
    expected = (5 * schedule.sigma(batch.times).square()).clamp(max=1).float()
    torch.testing.assert_close(batch.weights, expected)


def loader(**options: Any) -> Any:
    return build_loader(
        PICTURES, Noisify(Discrete(linear(1000)), build_parameterization("noise", 1)), 16, **options
    )


def test_order_and_noise_are_new_in_every_epoch() -> None:
    batches = loader(seed=0)
    first, second = ([batch.target for batch in batches] for _ in range(2))
    assert len(first) == 4
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_every_worker_of_every_process_draws_noise_of_its_own() -> None:
    noises = []
    for rank in range(2):
        torch.manual_seed(0)
        noises += [batch.target for batch in loader(seed=0, workers=2, rank=rank)]
    assert len(noises) == 8
    assert len({round(float(noise.sum()), 4) for noise in noises}) == 8


@pytest.mark.parametrize("schedule", [Discrete(linear(1000)), Flow()], ids=["1000", "flow"])
@pytest.mark.parametrize("name", TARGETS)
def test_a_worker_that_is_no_fork_gets_it_as_a_pickle(name: TargetName, schedule: Schedule) -> None:
    parameterization = build_parameterization(name, 0.5)
    noisify = Noisify(schedule, parameterization, Stratified(), classes=4)
    sent = pickle.loads(pickle.dumps(loader(seed=0).worker_init_fn))
    assert type(sent).__name__ == "_Worker"
    batches = []
    for each in (noisify, pickle.loads(pickle.dumps(noisify))):
        torch.manual_seed(0)
        batches.append(each(ITEMS))
    assert torch.equal(batches[0].target, batches[1].target)
    assert torch.equal(batches[0].input, batches[1].input)


def test_smaller_noise_is_seen_as_such() -> None:
    parameterization = build_parameterization("noise", 1)
    batch = Noisify(Discrete(linear(1000)), parameterization, Stratified())(ITEMS)
    errors = (batch.input - from_bytes(PICTURES.images)).square().mean((1, 2, 3)).sqrt()
    assert errors[0] < 0.1
    assert errors[-1] == pytest.approx(math.sqrt(1 + 1 / 3), rel=0.2)
    assert (batch.times.diff() > 0).all()
