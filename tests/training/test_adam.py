"""Adam without the compiler of torch: the same numbers, and a start that loads little."""

import subprocess
import sys

import torch
from torch import Tensor

from nca.training.adam import Adam

# Modules that a start must not load; each takes 0.2 to 1 s.
LATE = ("jinja2", "matplotlib", "torch._dynamo", "moderngl", "diffusers", "scipy")
START = """
import sys
from nca.texture.settings import train_settings
from nca.texture.tasks import task_of
from nca.texture.train import TextureTraining
from nca.pictures import picture_path
from nca.training.callback import Callback
import nca.cli, nca.texture.sweep, nca.viewer.files.watch

class Look(Callback):
    order = 1000
    def after_step(self, learner):
        print(*(name for name in sys.argv[1:] if name in sys.modules))
        raise SystemExit

settings = train_settings(picture_path("scales"), sys.argv[1], "tiny", size=32, grid=16,
                          late_grid=16, steps=(2, 3), pool_size=8, backend="torch")
target = task_of(settings.task).read(settings)
TextureTraining(settings, target, callbacks=[Look()]).learner.fit(iterations=1)
"""


def steps(kind: type[torch.optim.Adam]) -> tuple[Tensor, float]:
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 7))
    optimizer = kind([weights], lr=0.1, betas=(0.9, 0.99))
    for number in range(5):
        optimizer.zero_grad()
        loss = ((weights - number) ** 4).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        again = kind([weights], lr=0.1, betas=(0.9, 0.99))
        again.load_state_dict(optimizer.state_dict())
        optimizer = again
    return weights.detach(), float(optimizer.step(lambda: 3.0))


def test_it_is_the_adam_of_torch() -> None:
    (ours, loss), (theirs, _) = steps(Adam), steps(torch.optim.Adam)
    assert torch.equal(ours, theirs)
    assert loss == 3.0


def test_a_training_starts_without_what_it_does_not_need(tmp_path: object) -> None:
    command = [sys.executable, "-c", START, str(tmp_path), *LATE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("\n", 0), done.stderr
