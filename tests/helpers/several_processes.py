"""A training run in one or several processes, for tests. Arguments: JOB BATCH RESULT."""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from nca.texture.callbacks import keep_best as selection
from nca.texture.settings import train_settings
from nca.texture.train import TextureTraining
from nca.training.callbacks import EMA, ClipGradients, Metrics, Schedule, one_cycle
from nca.training.engines import Engine
from nca.training.engines.launch import make_accelerate_engine, process_count
from nca.training.learner import Learner
from nca.training.objective import Supervised
from tests.helpers.training_jobs import TinyUNet, wavy_images

ITERATIONS = 12


def rule(batch: int, engine: Engine, metrics: Metrics, folder: Path) -> Learner:
    selection.STOPS = (5,)
    settings = train_settings(
        "picture.png", folder, "tiny", size=32, grid=16, late_grid=24, steps=(3, 6),
        late_steps=(4, 8), pool_size=12, quiet=True, features="random", precision="float32",
        # The gradient cap uses the batch median, which differs between batches of four and eight.
        cap_gradients=False, batch_size=batch
)  # fmt: skip
    target = wavy_images(1, 32)[0].expand(3, -1, -1) / 2 + 0.5
    learner = TextureTraining(settings, target, engine).learner
    learner.use_callbacks([*learner.callbacks, metrics])
    return learner


def unet(batch: int, engine: Engine, metrics: Metrics, _: Path) -> Learner:
    torch.manual_seed(engine.rank)  # all must start with the weights of process 0
    model, images = TinyUNet(dropout=0.0), wavy_images(32)
    if engine.rank == 0:
        torch.manual_seed(0)
        model = TinyUNet(dropout=0.0)
    noises = torch.Generator().manual_seed(3)
    t, noise = torch.rand(32, generator=noises), torch.randn(images.shape, generator=noises)
    mix = t[:, None, None, None]
    data = TensorDataset((1 - mix) * images + mix * noise, t, noise, torch.ones(32, 1, 1, 1))
    callbacks = [Schedule(one_cycle()), ClipGradients(1.0), EMA(0.9), metrics]

    def loss(found: torch.Tensor, noise: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (weight * F.mse_loss(found, noise, reduction="none")).mean()

    return Learner(
        model, DataLoader(data, batch), Supervised(loss, n_inputs=2),
        torch.optim.AdamW(model.parameters(), 1e-2), engine=engine, callbacks=callbacks,
    )  # fmt: skip


def main() -> None:
    job, batch, result = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    engine = make_accelerate_engine() if process_count() > 1 else Engine()
    metrics = Metrics(every=1)
    learner = {"rule": rule, "unet": unet}[job](batch, engine, metrics, result.parent)
    learner.fit(iterations=ITERATIONS)
    weights = torch.cat([p.detach().flatten() for p in learner.model.parameters()])
    alike = engine.gather(weights[None])
    if engine.rank == 0:
        found = {
            "processes": engine.processes,
            "alike": bool((alike == alike[0]).all()),
            "losses": [row["loss"] for row in metrics.rows],
            "rates": [row["rate"] for row in metrics.rows],
            "weights": weights.tolist(),
        }
        result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
