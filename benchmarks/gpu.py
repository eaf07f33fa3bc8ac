"""`nca bench gpu`: the unroll and whole training runs, compared with other code on the same GPU.

The rule has 12 channels and 96 hidden units. There are two sizes of work: the size of the preset
``full`` (4 states of 96x96 cells), which leaves a large GPU mostly idle, and a size that fills it
(8 states of 256x256 cells). Times are wall times that include waiting for the GPU.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nca.backends import Backend, unroll
from nca.benchmarks.measuring.machine import describe_machine
from nca.benchmarks.measuring.parity import check_unroll
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import interleave, ratios, spread
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import precision, to_rule
from nca.benchmarks.peers.run import PeerError, PeerWork, peer_versions
from nca.benchmarks.settings import BenchGpuSettings
from nca.errors import InputError
from nca.gallery import gallery_path
from nca.pictures import picture_path
from nca.rng import random_masks
from nca.rulefile import load_rule
from nca.system.console import say
from nca.texture.callbacks.keep_best import STOPS, long_run_score
from nca.texture.settings import train_settings
from nca.texture.tasks import task_of
from nca.texture.train import TextureTraining

GPU = torch.device("cuda")
CHANNELS, HIDDEN, STEPS = 12, 96, 32
SIZES = {"full": (4, 96), "large": (8, 256)}  # batch and side
PICTURE = "marbling"
TRIED, TRAINED = 60, 2000  # iterations that are timed, and iterations of the whole training run
GATES = [Gate("peak_share_large", 50), Gate("train_seconds", 20, most=True)]


def run(settings: BenchGpuSettings) -> Report:
    """Measure on the GPU.

    Raises:
        InputError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise InputError("`bench gpu`: torch found no GPU with CUDA")
    torch.manual_seed(0)
    properties, peak = torch.cuda.get_device_properties(GPU), measure_peak()
    say("nca bench: comparing with float64")
    parity = [check(bfloat16) for bfloat16 in (False, True)]
    rows, absent = [], {}
    if all(found.met for found in parity):
        for name, part in parts(peak).items():
            say(f"nca bench: {name}")
            try:
                rows += part(settings.rounds)
            except Exception as error:  # the other parts take minutes, and GPU time is limited
                absent[name] = " ".join(f"{type(error).__name__}: {error}".split())
    machine = describe_machine() | {
        "gpu": f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB",
        "cuda": torch.version.cuda,
        "float32 peak": f"{peak / 1e12:.1f} Tflop/s, as reached by a matrix product",
        "rounds": settings.rounds,
    }
    return Report(machine, parity, rows, gates=GATES, absent=absent)


def parts(peak: float) -> dict[str, Callable[[int], list[Row]]]:
    """Return the measurements by name; each is a function of the number of rounds.

    Args:
        peak: peak speed of the GPU, in operations per second.
    """
    unrolls = {
        f"unrolls, {batch} states of {side}x{side} cells": partial(
            unroll_rows, name, batch, side, peak
        )
        for name, (batch, side) in SIZES.items()
    }
    return {**unrolls, "jax": jax_rows, "trainings": training_rows, "viewer": viewer_rows}


def check(bfloat16: bool) -> Parity:
    """Check the kernels against float64."""
    return check_unroll(CHANNELS, HIDDEN, "triton", bfloat16=bfloat16, device=GPU)


def clock() -> float:
    """Return the time in seconds, after the GPU has finished."""
    torch.cuda.synchronize()
    return time.perf_counter()


def measure_peak() -> float:
    """Measure the operations per second of a float32 matrix product without TF32."""
    a = torch.randn(8192, 8192, device=GPU)
    seconds = interleave({"product": lambda: a @ a}, 5, clock)["product"]
    return 2.0 * 8192**3 / min(seconds)


def unroll_rows(name: str, batch: int, side: int, peak: float, rounds: int) -> list[Row]:
    """Time the forward and backward pass, compared with torch's eager mode and its compiler."""
    case = UnrollCase(batch, side)
    variants: dict[str, Callable[[], None]] = {
        "triton": lambda: case.run("triton"),
        "triton_bf16": lambda: case.run("triton", bfloat16=True),
        "eager": lambda: case.run("torch"),
        "eager_bf16": lambda: case.run("torch", bfloat16=True),
        "compiled": case.run_compiled,
    }
    times = interleave(variants, rounds, clock)
    microseconds = {key: 1e6 * spread(times[key]).median / STEPS for key in times}
    rows = []
    for ours, theirs in (
        ("triton", "eager"),
        ("triton_bf16", "eager_bf16"),
        ("triton", "compiled"),
    ):
        against = f"{theirs}: {microseconds[theirs]:.0f} us per step, ours {microseconds[ours]:.0f}"
        row = f"unroll_{ours}_{name}" + ("_compiled" if theirs == "compiled" else "")
        rows.append(Row.of(row, ratios(times[theirs], times[ours]), against))
    shares = [100 * case.operations() / seconds / peak for seconds in times["triton"]]
    against = "the GPU's float32 peak, counting cells that fire"
    return [*rows, Row.of(f"peak_share_{name}", spread(shares), against, "%")]


class UnrollCase:
    """An unroll and its backward pass, with any backend.

    Args:
        batch: number of states.
        side: side of the grid.
    """

    def __init__(self, batch: int, side: int) -> None:
        self.rule = to_rule(SimpleCA(CHANNELS, HIDDEN)).to(GPU)
        self.state = torch.rand(batch, CHANNELS, side, side, device=GPU) - 0.5
        self.state.requires_grad_(True)
        generator = torch.Generator().manual_seed(0)
        self.masks = random_masks(STEPS, batch, side, side, 0.5, generator, GPU)
        self.upstream = torch.randn_like(self.state)
        self._compiled = torch.compile(self._folded_steps, dynamic=False)

    def run(self, backend: Backend, *, bfloat16: bool = False) -> None:
        """Run the unroll and its backward pass once."""
        with precision(bfloat16, GPU):
            last = unroll(self.state, self.rule, self.masks, backend)
        self._back(last)

    def run_compiled(self) -> None:
        """Run the unroll and its backward pass once, with the steps compiled by torch."""
        state = self.state
        for masks in torch.split(self.masks, 2):  # more steps at once take minutes to compile
            state = self._compiled(state, masks)
        self._back(state)

    def _folded_steps(self, state: Tensor, masks: Tensor) -> Tensor:
        return unroll(state, self.rule, masks, "torch")

    def _back(self, last: Tensor) -> None:
        last.backward(self.upstream)  # type: ignore[no-untyped-call]
        self.state.grad = None
        self.rule.zero_grad()

    def operations(self) -> float:
        """Count the multiplications and additions of the layers of firing cells in both passes."""
        first, second = 4 * CHANNELS * HIDDEN, CHANNELS * HIDDEN
        forward, backward = first + second, 3 * first + 2 * second
        return 2.0 * (forward + backward) * float(self.masks.sum())


def jax_rows(rounds: int) -> list[Row]:
    """Time the same unroll in JAX.

    Raises:
        PeerError: JAX is not installed, or failed.
    """
    versions = peer_versions("jax")
    if versions is None:
        raise PeerError("JAX is not installed")
    work = PeerWork(CHANNELS, HIDDEN, size=256, device=GPU)
    times = interleave({"ours": work.run_here}, rounds, clock)["ours"]
    theirs = [work.run("jax").seconds for _ in range(3)]
    return [Row.of("unroll_jax", ratios(theirs, times[:3]), f"{versions}, 4 states of 256x256")]


def training_rows(rounds: int) -> list[Row]:
    """Time iterations of the preset ``full`` with each backend, and one whole training run."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rates = {
            backend: spread(iterations_per_second(Path(folder), backend, rounds))
            for backend in ("triton", "torch")
        }
        rows += [
            Row.of(f"iterations_{name}", rate, "iterations of full per second", "/s")
            for name, rate in rates.items()
        ]
        settings = train_settings(
            picture_path(PICTURE), Path(folder) / "whole", "full", iterations=TRAINED, device="cuda"
        )
        training = prepared(settings)
        start = clock()
        training.learner.fit(iterations=TRAINED)
        seconds = clock() - start
        kept = training.best.choose()
        theirs = load_rule(gallery_path(PICTURE)).rule.to(GPU)
        score = long_run_score(training.task, theirs, STOPS, range(2)).loss
    one = "training of full, 2,000 iterations"
    rows.append(Row("train_seconds", seconds, seconds, seconds, one, "s"))
    ratio = kept.score / score
    against = f"the long-run loss of the bundled rule, trained on a CPU: {score:.3f}"
    return [*rows, Row("train_loss", ratio, ratio, ratio, against)]


def prepared(settings: Any) -> TextureTraining:
    """Prepare a training run without a progress bar, metrics and pictures."""
    settings.out.mkdir()
    training = TextureTraining(settings, task_of(settings.task).read(settings))
    learner = training.learner
    learner.use_callbacks(
        [c for c in learner.callbacks if c.essential or c in (training.ema, training.best)]
    )
    return training


def iterations_per_second(folder: Path, backend: Backend, rounds: int) -> list[float]:
    """Measure iterations of the preset ``full`` in float32, after some warm-up iterations."""
    settings = train_settings(
        picture_path(PICTURE), folder / backend, "full", backend=backend, precision="float32",
        device="cuda", iterations=10_000,
    )  # fmt: skip
    learner = prepared(settings).learner
    learner.fit(iterations=TRIED)
    rates = []
    for _ in range(rounds):
        start = clock()
        learner.fit(iterations=learner.iteration + TRIED)
        rates.append(TRIED / (clock() - start))
    return rates


def viewer_rows(rounds: int) -> list[Row]:
    """Time the steps that the window runs, with OpenGL through EGL on the GPU.

    Raises:
        GraphicsError: the GPU has no OpenGL.
    """
    from nca.benchmarks import view  # noqa: PLC0415  (needs OpenGL)
    from nca.gl.context import open_headless  # noqa: PLC0415

    gl = open_headless()
    try:
        report = view.measure(gl, rounds)
    finally:
        gl.release()
    return [
        Row(r.name, r.ratio, r.low, r.high, f"{r.against} ({report.machine['renderer']})", r.unit)
        for r in report.rows
    ]
