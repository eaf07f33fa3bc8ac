"""A diffusion model, briefly trained on drawn images, for several tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from nca.ddpm.checkpoint import Run, load_run
from nca.ddpm.data.dataset import DataInfo
from nca.ddpm.diffusion.automaton import Automaton
from nca.ddpm.diffusion.model import Model
from nca.ddpm.settings import TrainSettings, ddpm_settings
from nca.ddpm.train import train

COUNT, SIDE = 60, 12


def write_pictures(folder: Path, colors: int = 1) -> Path:
    """Write two kinds of squares to two subfolders: light at the top, and light at the bottom."""
    generator = np.random.default_rng(0)
    for i in range(COUNT):
        kind = folder / ("above" if i % 2 else "below")
        kind.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
        half = slice(0, SIDE // 2) if i % 2 else slice(SIDE // 2, SIDE)
        pixels[half] += 150
        if colors == 1:
            pixels = np.repeat(pixels[..., :1], 3, 2)
        Image.fromarray(pixels).save(kind / f"{i:03}.png")
    return folder


def tiny(folder: Path, **changes: Any) -> TrainSettings:
    """Settings for a very short training run; makes the images if there are none."""
    pictures = folder / "pictures"
    if not pictures.exists():
        write_pictures(pictures)
    settings = ddpm_settings(
        str(pictures), folder / "run", "small", size=SIDE, channels=(8, 16),
        groups=4, batch_size=8, iterations=3, quiet=True, noise_steps=50,
    )  # fmt: skip
    return settings.override(**changes)


def trained_run(folder: Path, **changes: Any) -> Run:
    """Train briefly."""
    settings = tiny(folder, **changes)
    train(settings)
    return load_run(settings.out)


def untrained_automaton(colors: int, side: int, classes: bool = False, **changes: Any) -> Run:
    """A model whose automaton has random weights."""
    settings = ddpm_settings("pictures", "run", net="nca", classes=classes, **changes)
    model = Model(settings, DataInfo(colors, side, 0.6, ("above", "below")))
    assert isinstance(model.network, Automaton)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.nn.init.normal_(model.network.rule.w2, std=0.05)
    model.network.eval().requires_grad_(False)
    return Run(Path("run/checkpoint.pt"), model, 0, 0.0)
