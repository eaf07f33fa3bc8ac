import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca.errors import InputError
from nca.losses.statistics import STATISTICS, gram
from nca.training.callback import Callback, CancelBatch
from nca.training.callbacks import ClipGradients, NaNGuard, Schedule
from nca.training.engines import Autocast, Engine
from nca.training.engines import precision as precision_module
from nca.training.engines.launch import process_count
from nca.training.engines.precision import bfloat16_is_fast
from nca.training.learner import Learner
from nca.training.objective import Supervised

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def make(engine: Engine, *callbacks: Callback, batch: int = 8, spike: float = 1.0) -> Learner:
    """A network of two layers; the target of one example is ``spike`` times as far."""
    torch.manual_seed(0)
    x = torch.randn(32, 4)
    y = x.sum(1, keepdim=True) / 8
    y[9] *= spike
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    batches = list(zip(x.split(batch), y.split(batch), strict=True))
    return Learner(
        model, batches, Supervised(F.mse_loss), optimizer, engine=engine, callbacks=callbacks
    )


def weights(learner: Learner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()])


def test_accumulated_batches_are_one_larger_batch() -> None:
    parts, whole = make(Engine(accumulate=4), batch=2), make(Engine(), batch=8)
    parts.fit(3)
    whole.fit(3)
    assert (parts.iteration, parts.steps) == (48, 12)
    assert whole.steps == 12
    assert torch.allclose(weights(parts), weights(whole), atol=1e-6)


def test_accumulation_goes_on_over_the_end_of_an_epoch() -> None:
    learner = make(Engine(accumulate=3))
    learner.fit(3)  # of four batches
    assert learner.steps == 4
    assert learner.engine.added == 0


def test_a_cancelled_batch_adds_nothing_to_an_accumulation() -> None:
    class Drop(Callback):
        def after_loss(self, learner: Learner) -> None:
            if learner.iteration == 2:
                raise CancelBatch

    dropped, whole = make(Engine(accumulate=3), Drop()), make(Engine(accumulate=3))
    dropped.fit(1)
    batches = whole.batches.source
    assert isinstance(batches, list)
    batches.pop(1)
    whole.fit(1)
    assert torch.equal(weights(dropped), weights(whole))


@pytest.mark.parametrize("engine", [Engine, Autocast])
def test_accumulate_must_be_one_or_more(engine: type[Engine]) -> None:
    with pytest.raises(ValueError, match="accumulate must be 1 or more, not 0"):
        engine(accumulate=0)


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bfloat16 or torch\.float16, not torch\.float64"):
        Autocast(dtype=torch.float64)


@pytest.mark.parametrize(
    ("capability", "seconds", "fast"),
    [("AVX512", 0.5, True), ("AVX512", 2.0, False), ("AVX512", 0.95, False), ("AVX2", 0.5, False)],
)
def test_bfloat16_is_taken_where_it_is_faster_when_tried(
    monkeypatch: pytest.MonkeyPatch, capability: str, seconds: float, fast: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    times = {torch.float32: 1.0, torch.bfloat16: seconds}
    monkeypatch.setattr(precision_module, "_product_seconds", times.__getitem__)
    assert bfloat16_is_fast.__wrapped__() == fast


@pytest.mark.parametrize("dtype", HALF.values(), ids=HALF)
def test_layers_are_in_16_bits_and_weights_in_32(dtype: torch.dtype) -> None:
    class Look(Callback):
        def after_predict(self, learner: Learner) -> None:
            assert learner.prediction.dtype == dtype

        def after_backward(self, learner: Learner) -> None:
            for weight in learner.model.parameters():
                assert weight.dtype == weight.grad.dtype == torch.float32

    half, full = make(Autocast(dtype=dtype), Look()), make(Engine())
    half.fit(2)
    full.fit(2)
    assert half.steps == full.steps
    assert not torch.equal(weights(half), weights(full))
    assert torch.allclose(weights(half), weights(full), atol=0.02)


def test_gradients_are_unscaled_before_a_callback_sees_them() -> None:
    lengths: dict[str, list[float]] = {"half": [], "full": []}

    class Measure(ClipGradients):
        def __init__(self, name: str) -> None:
            super().__init__(1.0)
            self.name = name

        def after_backward(self, learner: Learner) -> None:
            super().after_backward(learner)
            lengths[self.name].append(float(learner.measures["gradient_norm"]))

    make(Autocast(dtype=torch.float16), Measure("half")).fit(1)
    make(Engine(), Measure("full")).fit(1)
    assert lengths["half"] == pytest.approx(lengths["full"], rel=0.02)


def test_a_step_that_overflows_is_skipped_and_the_schedule_waits() -> None:
    rates: list[float] = []
    skipped: list[int] = []

    class Watch(Callback):
        order = 50

        def before_batch(self, learner: Learner) -> None:
            rates.append(learner.optimizer.param_groups[0]["lr"])

        def after_batch(self, learner: Learner) -> None:
            if learner.steps + len(skipped) < learner.iteration:
                skipped.append(learner.iteration)

    engine = Autocast(dtype=torch.float16)
    schedule = Schedule(lambda progress, steps: 1 / (1 + steps))
    learner = make(engine, schedule, Watch(), spike=300.0)
    before = weights(learner)
    learner.fit(1)
    assert skipped == [2]  # the batch with the spike, at a scale of 65536
    assert engine.scaler.get_scale() == 32768
    assert learner.steps == 3
    assert rates == pytest.approx([0.05, 0.025, 0.025, 0.05 / 3])  # another try at the same rate
    assert not torch.equal(weights(learner), before)
    assert weights(learner).isfinite().all()


def test_a_cancelled_batch_still_reports_its_overflow_to_the_scaler() -> None:
    engine = Autocast(dtype=torch.float16)
    guard = NaNGuard()
    learner = make(engine, guard, spike=300.0)
    learner.fit(1)
    assert guard.skipped == 1
    assert learner.steps == 3
    assert engine.scaler.get_scale() == 32768


def loud(count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 20 + 40 * torch.rand(count, 24, 32, 32, generator=generator)


@pytest.mark.parametrize("dtype", HALF.values(), ids=HALF)
def test_gram_matrices_are_an_island_of_float32(dtype: torch.dtype) -> None:
    flat = (40 * loud()).flatten(2).requires_grad_()
    features = flat.view(1, 24, 32, 32)
    right = flat.detach().double() @ flat.detach().double().mT / 1024

    with torch.autocast("cpu", dtype):
        matrix = gram(features)
        naive = flat @ flat.mT / 1024
    assert matrix.dtype == torch.float32
    assert torch.allclose(matrix.double(), right, rtol=1e-5)
    assert not torch.allclose(naive.double(), right, rtol=1e-5)  # what the island is for
    matrix.sum().backward()
    assert torch.allclose(flat.grad.double(), 2 * flat.detach().double().sum(1, True) / 1024)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("dtype", HALF.values(), ids=HALF)
def test_every_statistic_is_as_precise_under_autocast(statistic: str, dtype: torch.dtype) -> None:
    def distances(context: Callable[[], torch.autocast]) -> tuple[Tensor, Tensor]:
        compare = STATISTICS[statistic](torch.Generator().manual_seed(1))
        images = loud(2).requires_grad_()
        with context():
            target = compare.describe(loud() * 0.9)
            distance = compare.distance(images, target)
        distance.sum().backward()
        assert images.grad is not None
        return distance.detach(), images.grad

    mixed = distances(lambda: torch.autocast("cpu", dtype))
    plain = distances(lambda: torch.autocast("cpu", enabled=False))
    for a, b in zip(mixed, plain, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-7)


def test_processes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert process_count() == 1
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert process_count() == 3
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    with pytest.raises(InputError, match=r"starts only one process without MPI; .* torchrun"):
        process_count()


def test_what_needs_no_accelerate_does_not_import_it() -> None:
    code = "import nca.texture.train, sys; print('accelerate' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout.strip() == "False"
