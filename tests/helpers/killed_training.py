"""A server that forks a training process for every line it receives, so a test can kill many.

It imports everything once, in a short training run. Each child announces its start and trains
endlessly. A checkpoint is written after every batch, so most of the time, a write is in progress.
"""

import os
import sys
import tempfile
from pathlib import Path

import torch

from nca.training.callbacks import EMA, Checkpoint, Metrics, Schedule, load_checkpoint
from nca.training.learner import Learner
from tests.helpers.training_jobs import Canvas, MatchPatch, wavy_images

SIDE = 160  # makes a checkpoint of about a megabyte


def make(folder: Path, every_seconds: float = 0.0) -> Learner:
    torch.manual_seed(1)
    model = Canvas(SIDE)
    target = wavy_images(3, SIDE)[:, 0] / 2 + 0.5
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    callbacks = [
        # The schedule depends on steps, because the end of the run is not known.
        Schedule(lambda _, steps: 1 / (1 + 0.01 * steps)),
        EMA(0.9),
        Metrics(folder, every=5),
        Checkpoint(folder / "checkpoint", every_seconds),
    ]
    return Learner(model, range(7), MatchPatch(target, 8), optimizer, callbacks=callbacks)


def train(folder: Path) -> None:
    learner = make(folder)
    torch.manual_seed(5)
    if (folder / "checkpoint").exists():
        learner.load_state_dict(load_checkpoint(folder / "checkpoint"))
    print("begins", os.getpid(), flush=True)
    learner.fit(iterations=10**9)


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as warm_up:
        make(Path(warm_up)).fit(iterations=2)
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            train(folder)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
