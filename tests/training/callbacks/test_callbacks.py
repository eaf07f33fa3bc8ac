"""Callbacks that change weights, gradients and rates; others have their own files."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nca.training.callback import Callback, CancelBatch
from nca.training.callbacks import (
    EMA,
    ActivationStatistics,
    ClipGradients,
    Device,
    Metrics,
    NaNGuard,
    NormalizeGradients,
    Schedule,
    one_cycle,
    one_cycle_momentum,
    warm_up_then_cosine,
)
from nca.training.callbacks.device import to_device
from nca.training.engines import Engine
from nca.training.learner import Learner
from nca.training.objective import Supervised


def make(
    *callbacks: Callback, count: int = 6, kind: Any = torch.optim.Adam, **options: Any
) -> Learner:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
    x = torch.randn(count, 4, 3)
    batches = [(part, part.sum(1, keepdim=True)) for part in x]
    optimizer = kind(model.parameters(), 0.01)
    return Learner(
        model, batches, Supervised(F.mse_loss), optimizer, callbacks=callbacks, **options
    )


class Watch(Callback):
    """Records rates and momentums of every batch."""

    order = 90

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.momentums: list[float] = []

    def before_batch(self, learner: Learner) -> None:
        group = learner.optimizer.param_groups[0]
        self.rates.append(group["lr"])
        self.momentums.append(group["betas"][0] if "betas" in group else group["momentum"])


@pytest.mark.parametrize("kind", ["Adam", "SGD"])
@pytest.mark.parametrize("epochs", [1, 5])
def test_one_cycle_is_that_of_torch(kind: str, epochs: int) -> None:
    def optimizer(parameters: Any, rate: float) -> torch.optim.Optimizer:
        extra = {"momentum": 0.9} if kind == "SGD" else {}
        return getattr(torch.optim, kind)(parameters, rate, **extra)

    watch, n, rise = Watch(), 6 * epochs, 0.25
    make(Schedule(one_cycle(rise), one_cycle_momentum(rise)), watch, kind=optimizer).fit(epochs)
    theirs = optimizer([nn.Parameter(torch.zeros(1))], 0.01)
    # Torch's first and last step are at 0 and 1; our last is one step before, as progress is.
    scheduler = OneCycleLR(
        theirs, 0.01, total_steps=n + 1, pct_start=(rise * n + 1) / (n + 1), div_factor=25,
        final_div_factor=4000,
    )  # fmt: skip
    rates, momentums = [], []
    for _ in range(n):
        group = theirs.param_groups[0]
        rates.append(group["lr"])
        momentums.append(group["betas"][0] if kind == "Adam" else group["momentum"])
        theirs.step()
        scheduler.step()
    assert watch.rates == pytest.approx(rates)
    assert watch.momentums == pytest.approx(momentums)


def test_warm_up_counts_steps_and_the_fall_follows_progress() -> None:
    watch = Watch()
    make(Schedule(warm_up_then_cosine(4, 0.1)), watch, count=20).fit(1)
    for i, rate in enumerate(watch.rates):
        fall = 0.1 + 0.9 * (1 + math.cos(math.pi * i / 20)) / 2
        assert rate == pytest.approx(0.01 * min(1, (i + 1) / 4) * fall)


def test_every_group_keeps_its_own_rate() -> None:
    learner = make(Schedule(lambda progress, _: 1 - progress))
    learner.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 0.5})
    learner.fit(1)
    rates = [group["lr"] for group in learner.optimizer.param_groups]
    assert rates == pytest.approx([0.01 / 6, 0.5 / 6])


def test_batches_of_one_step_have_one_rate() -> None:
    watch = Watch()
    make(Schedule(lambda progress, _: 1 - progress), watch, engine=Engine(accumulate=3)).fit(1)
    assert watch.rates == pytest.approx([0.01] * 3 + [0.005] * 3)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_ema_is_that_of_torch_to_the_bit(decay: float) -> None:
    class Theirs(Callback):
        order = 11

        def before_fit(self, learner: Learner) -> None:
            self.model = AveragedModel(learner.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
            self.model.update_parameters(learner.model)  # the first is a copy

        def after_step(self, learner: Learner) -> None:
            self.model.update_parameters(learner.model)

    ours, theirs = EMA(decay, warm_up=False), Theirs()
    learner = make(ours, theirs)
    learner.fit(5)
    for mine, their in zip(ours.weights, theirs.model.parameters(), strict=True):
        assert torch.equal(mine, their)
    assert not torch.equal(ours.weights[0], next(learner.model.parameters()))


def test_ema_warms_up_and_lends_its_weights() -> None:
    seen: list[Tensor] = []

    class Keep(Callback):
        def after_step(self, learner: Learner) -> None:
            seen.append(learner.model[0].weight.detach().clone())

    ema = EMA(0.9)
    learner = make(ema, Keep())
    expected = learner.model[0].weight.detach().clone()
    learner.fit(2)
    for n, weight in enumerate(seen):
        expected = expected.lerp(weight, 1 - min(0.9, (1 + n) / (10 + n)))
    assert torch.allclose(ema.weights[0], expected, atol=1e-7)
    own = learner.model[0].weight.detach().clone()
    with contextlib.suppress(RuntimeError), ema.averaged(learner.model):
        assert torch.equal(learner.model[0].weight, ema.weights[0])
        raise RuntimeError("inside")
    assert torch.equal(learner.model[0].weight, own)


class Gradients(Callback):
    order = 50

    def __init__(self) -> None:
        self.norms: list[list[float]] = []

    def after_backward(self, learner: Learner) -> None:
        self.norms.append([float(p.grad.norm()) for p in learner.model.parameters()])


def test_gradients_are_clipped_together_and_their_length_recorded() -> None:
    plain, clipped, metrics = Gradients(), Gradients(), Metrics(every=1)
    make(plain, count=1).fit(1)
    length = math.hypot(*plain.norms[0])
    make(ClipGradients(0.1), clipped, metrics, count=1).fit(1)
    assert clipped.norms[0] == pytest.approx([0.1 * n / length for n in plain.norms[0]], rel=1e-4)
    assert metrics.rows[0]["gradient_norm"] == pytest.approx(length)
    loose = Gradients()
    make(ClipGradients(100.0), loose, count=1).fit(1)
    assert loose.norms[0] == pytest.approx(plain.norms[0])


def test_normalized_gradients_have_unit_length_each() -> None:
    norms = Gradients()
    make(NormalizeGradients(), norms).fit(1)
    assert norms.norms == [pytest.approx([1.0] * 4, rel=1e-4)] * 6


def test_a_gradient_that_is_not_finite_harms_nothing() -> None:
    guard, ema, metrics = NaNGuard(), EMA(0.9), Metrics(every=1)
    learner = make(guard, ema, metrics)
    learner.batches.source[2] = (torch.full((4, 3), math.nan), torch.zeros(4, 1))
    learner.batches.source[4] = (torch.full((4, 3), math.inf), torch.zeros(4, 1))
    learner.fit(2)
    assert guard.skipped == 4
    assert (learner.iteration, learner.steps) == (12, 8)
    assert all(weight.isfinite().all() for weight in [*learner.model.parameters(), *ema.weights])
    assert all(math.isfinite(row["loss"]) for row in metrics.rows)


def test_the_guard_gives_up_in_the_end() -> None:
    learner = make(NaNGuard(patience=3))
    with torch.no_grad():
        learner.model[0].weight.fill_(math.nan)
    with pytest.raises(RuntimeError, match="iteration 3: the gradients of 3 batches in a row"):
        learner.fit(9)


HOOKED = {"0", "2"}


@pytest.mark.parametrize("how", ["well", "cancelled", "failed", "interrupted"])
def test_hooks_are_removed_however_the_fit_ends(how: str) -> None:
    class End(Callback):
        def after_loss(self, learner: Learner) -> None:
            assert len(learner.model[0]._forward_hooks) == 1
            if how == "cancelled":
                raise CancelBatch
            if how == "failed":
                raise RuntimeError(how)
            if how == "interrupted":
                raise KeyboardInterrupt

    learner = make(ActivationStatistics(), End())
    if how in ("failed", "interrupted"):
        with pytest.raises((RuntimeError, KeyboardInterrupt)):
            learner.fit(1)
    else:
        learner.fit(1)
    assert not any(module._forward_hooks for module in learner.model.modules())


def test_hooks_are_removed_when_a_name_is_wrong() -> None:
    learner = make(ActivationStatistics(["0", "9"]))
    with pytest.raises(ValueError, match=r"no layer '9'; there are \['0', '1', '2'\]"):
        learner.fit(1)
    assert not any(module._forward_hooks for module in learner.model.modules())


def test_activations_are_measured() -> None:
    metrics = Metrics(every=1)
    learner = make(ActivationStatistics(["1"]), metrics, count=1)
    x = learner.batches.source[0][0]
    hidden = learner.model[1](learner.model[0](x)).detach()
    learner.fit(1)
    row = metrics.rows[0]
    assert row["activation/1/mean"] == pytest.approx(float(hidden.mean()))
    assert row["activation/1/std"] == pytest.approx(float(hidden.std()))
    assert row["activation/1/dead"] == pytest.approx(float((hidden == 0).float().mean()))
    assert 0 < row["activation/1/dead"] < 1
    every = make(ActivationStatistics(), metrics_of_all := Metrics(every=1))
    every.fit(1)
    names = {name.split("/")[1] for name in metrics_of_all.rows[0] if name.startswith("activation")}
    assert names == HOOKED


class Pair(NamedTuple):
    a: Tensor
    b: Tensor


@dataclass(frozen=True)
class Draw:
    x: Tensor
    name: str


def test_batches_of_any_make_are_moved() -> None:
    one = torch.ones(2)
    batch = {"list": [one, (one, 3)], "pair": Pair(one, one), "draw": Draw(one, "a")}
    moved = to_device(batch, torch.device("meta"))
    assert moved["list"][0].is_meta
    assert moved["list"][1][0].is_meta
    assert moved["list"][1][1] == 3
    assert isinstance(moved["pair"], Pair)
    assert moved["pair"].b.is_meta
    assert moved["draw"].x.is_meta
    assert moved["draw"].name == "a"
    assert not one.is_meta


def test_the_device_is_where_the_optimizer_finds_its_weights() -> None:
    learner = make(Device("cpu"))
    learner.fit(2)
    assert learner.steps == 12
    assert len(learner.optimizer.state) == 4
