"""Three small training jobs for tests of the training core: a rule, an image and a U-Net."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nca.texture.settings import train_settings
from nca.texture.train import TextureTraining
from nca.training.callback import Callback, CancelFit
from nca.training.callbacks import (
    EMA,
    ClipGradients,
    Metrics,
    Schedule,
    one_cycle,
    one_cycle_momentum,
)
from nca.training.engines import Engine
from nca.training.learner import Learner
from nca.training.objective import Objective, Supervised


class StopAt(Callback):
    """Abandon the fit after some iterations, as an interruption would."""

    order = 200

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_batch(self, learner: Learner) -> None:
        if learner.training and learner.iteration == self.iteration:
            raise CancelFit


class Canvas(nn.Module):
    """An image whose pixels are the weights."""

    def __init__(self, side: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.rand(3, side, side, generator=generator))


class MatchPatch(Objective):
    """Match one image to another, one random patch at a time."""

    def __init__(self, target: Tensor, side: int = 8) -> None:
        self.target, self.side = target, side

    def predict(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        del batch
        y, x = torch.randint(0, self.target.shape[-1] - self.side + 1, (2,)).tolist()
        window = (slice(None), slice(y, y + self.side), slice(x, x + self.side))
        return model.pixels[window], self.target[window]

    def losses(self, prediction: tuple[Tensor, Tensor], batch: Any) -> dict[str, Tensor]:
        del batch
        mine, theirs = prediction
        return {"match": (mine - theirs).square().mean(), "range": 0.1 * F.relu(mine - 1).mean()}


class TinyUNet(nn.Module):
    """A small diffusion model: one level down and up again, with the time as an input."""

    def __init__(self, width: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.time = nn.Linear(2, width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.leave = nn.Conv2d(2 * width, 1, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angle = t[:, None] * math.tau
        time = self.time(torch.cat([angle.sin(), angle.cos()], 1))[:, :, None, None]
        first = F.silu(self.enter(x) + time)  # [B, w, H, W]
        deep = self.dropout(F.silu(self.norm(self.down(first))))  # [B, 2w, H/2, W/2]
        return self.leave(torch.cat([first, self.up(deep)], 1))


def noisify(images: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Collate a batch: noisy images and times are the inputs, the noise is the target."""
    x = torch.stack(list(images))
    t, noise = torch.rand(len(x)), torch.randn_like(x)
    mix = t[:, None, None, None]
    return (1 - mix) * x + mix * noise, t, noise


def wavy_images(count: int = 20, side: int = 8) -> Tensor:
    phase = torch.linspace(0, 6, count)[:, None, None]
    place = torch.arange(side) + torch.arange(side)[:, None]
    return (place + phase).sin()[:, None]


def rule_job(
    folder: Path, callbacks: Sequence[Callback] = (), engine: Engine | None = None
) -> Learner:
    """A texture rule, with everything it needs."""
    settings = train_settings(
        "picture.png", folder, "tiny", size=32, grid=16, late_grid=24, steps=(3, 6),
        late_steps=(4, 8), pool_size=12, quiet=True, features="random", reset_rate=0.5,
        damage_rate=0.5, precision="float32"
)  # fmt: skip
    target = wavy_images(1, 32)[0].expand(3, -1, -1) / 2 + 0.5
    learner = TextureTraining(settings, target, engine or Engine()).learner
    learner.use_callbacks([*learner.callbacks, *callbacks])
    return learner


def image_job(
    folder: Path, callbacks: Sequence[Callback] = (), engine: Engine | None = None
) -> Learner:
    """An image that becomes another."""
    del folder
    torch.manual_seed(1)
    model = Canvas(16)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    watch = [Schedule(one_cycle(), one_cycle_momentum()), EMA(0.9), Metrics(every=3)]
    target = wavy_images(3, 16)[:, 0] / 2 + 0.5
    return Learner(
        model, range(5), MatchPatch(target), optimizer, engine=engine,
        callbacks=[*watch, *callbacks],
    )  # fmt: skip


def unet_job(
    folder: Path, callbacks: Sequence[Callback] = (), engine: Engine | None = None
) -> Learner:
    """A U-Net that predicts noise; with shuffling, noise from collation, dropout, validation."""
    del folder
    torch.manual_seed(2)
    model, images = TinyUNet(), wavy_images()
    loader = DataLoader(
        images, 4, shuffle=True, collate_fn=noisify, generator=torch.Generator().manual_seed(7)
    )
    valid = DataLoader(images[:4], 4, collate_fn=noisify)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    watch = [Schedule(one_cycle()), ClipGradients(1.0), EMA(0.9), Metrics(every=3)]
    return Learner(
        model, loader, Supervised(F.mse_loss, n_inputs=2), optimizer, engine=engine,
        callbacks=[*watch, *callbacks], valid_batches=valid,
    )  # fmt: skip


JOBS: dict[str, Callable[..., Learner]] = {"rule": rule_job, "image": image_job, "unet": unet_job}


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Find where two states differ, even in a single bit; seconds may differ."""
    if isinstance(a, Tensor):
        equal = a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        return [] if equal or (a.isnan() & b.isnan()).all() else [where]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f"{where}: {a.keys() ^ b.keys()}"]
        return [d for k in a if k != "seconds" for d in differences(a[k], b[k], f"{where}/{k}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{where}: {len(a)} against {len(b)}"]
        pairs = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in pairs for d in differences(x, y, f"{where}/{i}")]
    return [] if a == b else [f"{where}: {a} against {b}"]
