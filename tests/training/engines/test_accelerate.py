import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader, TensorDataset

from nca.training.batches import Repeated
from nca.training.callback import Callback
from nca.training.callbacks import NaNGuard
from nca.training.engines import Engine
from nca.training.engines.accelerate import Accelerate
from nca.training.learner import Learner
from nca.training.objective import Supervised
from tests.helpers.training_jobs import JOBS, StopAt, TinyUNet, differences, unet_job, wavy_images

ROOT = Path(__file__).parents[3]
LIMIT = 2e-4  # of what two processes and one may differ by: sums are in another order


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True)
    AcceleratorState._reset_state(reset_partial_state=True)


def start(launcher: list[str], words: list[Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *launcher, *map(str, words)], cwd=ROOT, capture_output=True,
        text=True, check=False, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


# On a machine without a GPU either starts processes on CPUs.
TORCHRUN = "torch.distributed.run --standalone --nproc_per_node 2 -m"
ACCELERATE = "accelerate.commands.launch --multi_gpu --num_processes 2 --main_process_port 0 -m"


@pytest.mark.slow
@pytest.mark.parametrize(("job", "two"), [("rule", TORCHRUN), ("unet", ACCELERATE)])
def test_two_processes_train_as_one_with_the_doubled_batch(
    tmp_path: Path, job: str, two: str
) -> None:
    found = []
    for launcher, batch in ((two.split(), 4), ([], 8)):
        path = tmp_path / f"{batch}.json"
        done = start([*launcher, "tests.helpers.several_processes"], [job, batch, path])
        assert done.returncode == 0, done.stderr
        found.append(json.loads(path.read_text()))
    both, one = found
    assert (both["processes"], one["processes"]) == (2, 1)
    assert both["alike"], "the processes have come apart"
    assert len(one["losses"]) == 12
    assert both["losses"] == pytest.approx(one["losses"], rel=LIMIT)
    assert both["rates"] == pytest.approx(one["rates"], rel=1e-12)
    assert both["weights"] == pytest.approx(one["weights"], abs=LIMIT)
    assert one["losses"][-1] != pytest.approx(one["losses"][0], rel=10 * LIMIT)


def test_a_launcher_that_starts_one_process_for_two_is_reported(tmp_path: Path) -> None:
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m"]
    done = start([*launch, "tests.helpers.several_processes"], ["rule", 4, tmp_path / "found.json"])
    assert done.returncode != 0
    assert "starts only one process without MPI; on CPUs use torchrun" in done.stderr
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize("job", ["image", "unet"])
def test_one_process_gives_the_bits_of_the_plain_engine(
    tmp_path: Path, job: str, accelerator: Accelerator
) -> None:
    models = []
    for engine in (Accelerate(accelerator), Engine()):
        learner = JOBS[job](tmp_path, engine=engine)
        if job == "unet":  # its loader draws from a generator that accelerate makes its own
            fixed = list(wavy_images(8).split(4))
            learner.batches = type(learner.batches)([(x, x[:, 0, 0, 0], x) for x in fixed])
        torch.manual_seed(5)
        learner.fit(iterations=7)
        models.append(learner.model.state_dict())
    assert differences(*models) == []


def test_a_shuffled_loader_is_resumed_to_the_bit(tmp_path: Path, accelerator: Accelerator) -> None:
    def run(*callbacks: Callback, state: dict[str, Any] | None = None) -> dict[str, Any]:
        learner = unet_job(tmp_path, callbacks, Accelerate(accelerator))
        learner.model.dropout = torch.nn.Identity()
        torch.manual_seed(5)
        if state is not None:
            learner.load_state_dict(state)
        learner.fit(iterations=13)
        return learner.state_dict()

    whole, resumed = run(), run(state=run(StopAt(7)))
    assert differences(whole["model"], resumed["model"]) == []


def test_a_repeated_loader_is_split_too(accelerator: Accelerator) -> None:
    engine = Accelerate(accelerator)
    loader = DataLoader(TensorDataset(torch.arange(4.0)), 2)
    prepared = engine.prepare_batches(Repeated(loader, 3, lambda batch: batch))
    assert isinstance(prepared, Repeated)
    assert type(prepared.batches) is not DataLoader
    assert len(list(prepared)) == len(prepared) == 6
    rows = [[1.0]]
    assert engine.prepare_batches(rows) is rows


def test_an_accelerator_must_not_accumulate_by_itself() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    with pytest.raises(ValueError, match="let the engine accumulate, not the accelerator"):
        Accelerate(Accelerator(cpu=True, gradient_accumulation_steps=2))
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_scaler_skips_overflows_and_survives_cancelled_batches(accelerator: Accelerator) -> None:
    # Accelerate has a scaler on GPUs only; one for the CPU goes the same way.
    accelerator.state._mixed_precision = "fp16"
    accelerator.native_amp = True
    accelerator.scaler = torch.amp.GradScaler("cpu")
    for callbacks in ([], [NaNGuard()]):
        model = torch.nn.Linear(2, 1)
        x = torch.ones(4, 2)
        batches = [(x, x[:, :1]), (x, x[:, :1] * 1e36), (x, x[:, :1])]
        engine = Accelerate(accelerator)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        learner = Learner(
            model, batches, Supervised(F.mse_loss), optimizer, engine=engine, callbacks=callbacks
        )
        before = accelerator.scaler.get_scale()
        engine.precision = Engine().precision  # type: ignore[method-assign]
        learner.fit(1)
        assert (learner.iteration, learner.steps) == (3, 2)
        assert accelerator.scaler.get_scale() == before / 2
        assert all(weight.isfinite().all() for weight in model.parameters())
        assert engine.state_dict()["scaler"]["scale"] == before / 2


def test_the_model_of_a_unet_takes_several_inputs() -> None:
    model = TinyUNet(dropout=0.0)
    x, t = torch.randn(2, 1, 8, 8), torch.rand(2)
    objective = Supervised(lambda found, a, b: (found - a * b).square().mean(), n_inputs=2)
    batch = (x, t, x, torch.full((2, 1, 1, 1), 2.0))
    prediction = objective.predict(model, batch)
    assert torch.equal(prediction, model(x, t))
    expected = (prediction - 2 * x).square().mean()
    assert torch.equal(objective.losses(prediction, batch)["loss"], expected)
