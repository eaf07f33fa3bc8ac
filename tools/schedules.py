"""``python -m tools.schedules OUT DATA [NAME ...]``: measure KID by schedule and time sampling.

It trains a small model for each row of ``MODELS``, and prints a table. All models have the same
network and number of iterations, so the training cost is the same. NAME selects a row; default: all
rows. The models are written to OUT; existing ones are kept.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nca.ddpm.checkpoint import load_run
from nca.ddpm.fid.distances import Interval
from nca.ddpm.fid.evaluator import FidEvaluator
from nca.ddpm.settings import FidSettings, SamplerName, ddpm_settings
from nca.ddpm.train import train
from nca.errors import InputError
from nca.training.folder import CHECKPOINT

ITERATIONS = 1000
COUNT, REPEATS = 512, 3  # number of images per set, and number of sets
SMALL: dict[str, Any] = {
    "size": 16,
    "channels": (16, 32),
    "batch_size": 32,
    "learning_rate": 3e-3,
    "ema": 0.99,
    "quiet": True,
}
MODELS: dict[str, dict[str, Any]] = {
    "linear, uniform": {"schedule": "linear", "times": "uniform"},
    "cosine, uniform": {"times": "uniform"},
    "cosine, stratified": {},
    "cosine, loss": {"times": "loss"},
    "sigmoid, stratified": {"schedule": "sigmoid"},
    "karras, stratified": {"schedule": "karras", "target": "edm"},
    "flow, stratified": {"preset": "flow", "times": "stratified"},
    "flow, logit-normal": {"preset": "flow"},
}
SAMPLERS: dict[str, tuple[SamplerName, int]] = {
    "dpmpp, 20 steps": ("dpmpp", 20),
    "dpmpp, 8 steps": ("dpmpp", 8),
    "flow, 8 steps": ("flow", 8),
}


def evaluator(name: str, data: str, out: Path) -> FidEvaluator:
    """Train the model of a row if it does not exist, then load it."""
    folder = out / name
    if not (folder / CHECKPOINT).exists():
        train(ddpm_settings(data, folder, **SMALL | {"iterations": ITERATIONS} | MODELS[name]))
    return FidEvaluator(load_run(folder), FidSettings(folder, n=COUNT, repeats=REPEATS))


def cell(kid: Interval) -> str:
    """Format a KID, times 1,000, with its confidence interval."""
    mean, low, high = (f"{1e3 * value:.1f}" for value in (kid.mean, kid.low, kid.high))
    return f"{mean} [{low} .. {high}]"


def main(out: Path, data: str, names: Sequence[str]) -> None:
    """Print the table, line by line.

    Raises:
        InputError: there is no row with that name, or the images cannot be read.
    """
    for name in names:
        if name not in MODELS:
            raise InputError(f"{name}: must be one of {'; '.join(MODELS)}")
    print(f"| schedule, times | {' | '.join(SAMPLERS)} |")
    print("|---" * (1 + len(SAMPLERS)) + "|")
    for name in names or MODELS:
        judge = evaluator(name, data, out)
        cells = [cell(figures.kid) for figures in judge.samples(SAMPLERS)]
        print(f"| {' | '.join([name, *cells])} |", flush=True)
    print(f"real images: {cell(judge.real_images().kid)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except InputError as error:
        print(f"python -m tools.schedules: {error}", file=sys.stderr)
        sys.exit(2)
