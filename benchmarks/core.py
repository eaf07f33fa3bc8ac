"""`nca bench core`: the training loop's overhead, compared with the same steps in a plain loop.

The model is a network of three layers with Adam. The batches are so large that a step takes a
millisecond. The plain loop does only what training needs; the learner's loop also has events and
limits. The learner's loop is measured alone, and with a progress bar, metrics of every step and an
average of the weights. Averaging is work, not overhead, so in the second case the plain loop
averages too.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from nca.benchmarks.measuring.machine import describe_machine, load
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import interleave, ratios, spread
from nca.benchmarks.settings import BenchCoreSettings
from nca.system.threads import torch_threads
from nca.training.callback import Callback
from nca.training.callbacks import EMA, Metrics, Progress
from nca.training.learner import Learner
from nca.training.objective import Supervised

STEPS, EPOCH = 1000, 100  # steps per round and per epoch; long epochs keep their overhead small
WIDTH, BATCHES = 160, range(16, 513, 16)  # one of these batch sizes gives the right time per step
MILLISECOND, TRIED = 1e-3, 100  # CPU seconds per step, and number of measured steps
DECAY = 0.99
GATES = [Gate("loop_watched", 1.02, most=True)]

Batch = tuple[Tensor, Tensor]


def make(size: int) -> tuple[nn.Module, Optimizer, list[Batch]]:
    """A network, its optimizer and the batches of an epoch; reproducible for each size."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
    )
    x = torch.randn(10, size, WIDTH)
    batches = [(part, part[:, :1]) for part in x]
    return model, Adam(model.parameters(), 1e-4), batches * (EPOCH // len(batches))


class Straight:
    """The plain loop, with or without the average of the weights."""

    def __init__(self, size: int, *, average: bool = False) -> None:
        self.model, self.optimizer, self.batches = make(size)
        self.weights: list[torch.Tensor] = list(self.model.parameters())
        self.average = [w.detach().clone() for w in self.weights] if average else []

    def __call__(self) -> None:
        self.make_steps(STEPS)

    def make_steps(self, steps: int) -> None:
        """Run whole epochs."""
        for _ in range(steps // len(self.batches)):
            for x, y in self.batches:
                F.mse_loss(self.model(x), y).backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                if self.average:
                    with torch.no_grad():
                        torch._foreach_lerp_(self.average, self.weights, 1 - DECAY)
                self.optimizer.zero_grad()


class Looped:
    """The same steps, run by the learner.

    Args:
        size: size of the batches.
        watchers: makes the callbacks; every round has new ones, as a training run does.
    """

    def __init__(self, size: int, watchers: Callable[[], list[Callback]] = list) -> None:
        self.model, optimizer, batches = make(size)
        self.learner = Learner(self.model, batches, Supervised(F.mse_loss), optimizer)
        self.watchers = watchers

    def __call__(self) -> None:
        self.learner.use_callbacks(self.watchers())
        # The bar is drawn as on a terminal, but into memory.
        with contextlib.redirect_stderr(io.StringIO()):
            self.learner.fit(iterations=self.learner.iteration + STEPS)


def size_of_batches() -> int:
    """Find the smallest batch size for which a step of the plain loop takes a millisecond."""
    for size in BATCHES:
        straight = Straight(size)
        straight.make_steps(TRIED)
        start = time.process_time()
        straight.make_steps(TRIED)
        if time.process_time() - start >= TRIED * MILLISECOND:
            break
    return size


def watchers(folder: Path) -> list[Callback]:
    """Make a progress bar, metrics that are written to a file, and an average of the weights."""
    progress = Progress()
    progress.plain = False
    return [EMA(DECAY, warm_up=False), Metrics(folder), progress]


def run(settings: BenchCoreSettings) -> Report:
    """Measure on one thread."""
    with torch_threads(None):
        return measure(settings.rounds)


def measure(rounds: int) -> Report:
    """Compare the results of the loops, then the times."""
    before, size = load(), size_of_batches()
    with tempfile.TemporaryDirectory() as folder:
        variants: dict[str, Callable[[], None]] = {
            "straight": Straight(size),
            "straight, averaged": Straight(size, average=True),
            "loop_bare": Looped(size),
            "loop_watched": Looped(size, lambda: watchers(Path(folder))),
        }
        times = interleave(variants, rounds)
        parity = [check(variants[name], variants["straight"], name) for name in list(variants)[1:]]
    milliseconds = [1000 * t / STEPS for t in times["straight"]]
    rows = [
        Row.of("straight_step", spread(milliseconds), "a step of the plain loop", "ms"),
        Row.of("loop_bare", ratios(times["loop_bare"], times["straight"]), "plain loop"),
        Row.of(
            "loop_watched",
            ratios(times["loop_watched"], times["straight, averaged"]),
            "plain loop with average",
        ),
        Row.of(
            "loop_watched_all",
            ratios(times["loop_watched"], times["straight"]),
            "plain loop without average",
        ),
    ]
    machine = describe_machine() | {
        "load": f"{before} before, {load()} after",
        "rounds": rounds,
        "steps per round": STEPS,
        "samples per batch": size,
    }
    return Report(machine, parity, rows, [], GATES)


def check(variant: object, straight: object, name: str) -> Parity:
    """Check that a variant reaches exactly the same weights in the same number of steps."""
    pairs = zip(weights_of(variant), weights_of(straight), strict=True)
    apart = max(float((a - b).abs().max()) for a, b in pairs)
    return Parity(name, "largest difference of weights", apart, 0.0, apart == 0.0)


def weights_of(variant: object) -> list[Tensor]:
    """Return the weights of a variant's model."""
    assert isinstance(variant, Straight | Looped)
    return [weight.detach() for weight in variant.model.parameters()]
