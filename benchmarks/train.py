"""`nca bench train`: the iteration of texture training and its parts, compared with the lesson's.

The main work is the lesson's larger rule (12 channels, 96 hidden units) on four states of 128x128
cells, with 32 steps and the Gram loss on VGG-16. The smallest rule (4 channels, 8 hidden units) is
measured too. An iteration of the default training is compared with the same iteration that computes
its texture loss in torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from nca.backends import Backend, unroll
from nca.backends.simulate import simulate
from nca.benchmarks.growth import measure_growth
from nca.benchmarks.measuring.machine import Peak, describe_machine, is_disturbed, load
from nca.benchmarks.measuring.memory import training_megabytes, unroll_megabytes
from nca.benchmarks.measuring.parity import (
    check_iteration,
    check_peer,
    check_simulation,
    check_unroll,
)
from nca.benchmarks.measuring.report import Gate, Parity, Report, Row
from nca.benchmarks.measuring.timing import Spread, Times, interleave, ratios
from nca.benchmarks.peers.apart import run_apart
from nca.benchmarks.peers.fine import SCALE, FineIteration
from nca.benchmarks.peers.lesson import LessonIteration, LessonLoss, SimpleCA, make_vgg16
from nca.benchmarks.peers.ours import OurIteration, frozen_loss, precision, to_rule
from nca.benchmarks.peers.run import MAX_ROUNDS, PEERS, PeerError, PeerWork, peer_versions
from nca.benchmarks.peers.small import SMALL_ITERATIONS, check_small, small_iteration
from nca.benchmarks.settings import SMALL, BenchTrainSettings
from nca.rng import random_masks
from nca.system.console import say
from nca.training.engines.precision import bfloat16_is_fast

FULL, TINY = (12, 96), (4, 8)  # channels and hidden units
BATCH, SIZE, STEPS = (4, 32, 4) if SMALL else (4, 128, 32)
SIMULATED_SIZE, SIMULATED_STEPS = (32, 4) if SMALL else (256, 16)
LESSON = "the lesson's, malloc tuned"

GATES = [
    Gate("iteration_fp32", 3.7),
    Gate("unroll_fp32", 7),
    Gate("unroll_tiny", 13),
    Gate("unroll_memory_mb", 300, most=True),
    Gate("train_memory_mb", 500, most=True),
    Gate("simulate_fp32", 7),
    Gate("iteration_decoder", 2.5, most=True),
    *(Gate(name, 1.5) for name in SMALL_ITERATIONS),
]
BFLOAT16_GATES = [
    Gate("iteration_bf16", 6.5),
    Gate("iteration_torch", 2.4),
    Gate("unroll_bf16", 10),
]
NO_BFLOAT16 = "this processor has no bfloat16 arithmetic"


def run(settings: BenchTrainSettings) -> Report:
    """Measure in a separate process."""
    return run_apart("train", settings.rounds)


def measure(rounds: int) -> Report:
    """Measure everything in this process, with progress on standard error."""
    torch.manual_seed(0)
    peak = Peak()
    load_before, before = load(), peak.measure()
    bench = Bench(rounds, before)
    say("nca bench: comparing with float64")
    bench.check()
    say("nca bench: unrolls, 12 channels and 96 hidden")
    bench.time_unrolls()
    say("nca bench: unrolls, 4 channels and 8 hidden")
    bench.time_tiny()
    say("nca bench: unrolls by other libraries")
    bench.time_peers()
    say("nca bench: whole iterations")
    bench.time_iterations()
    say("nca bench: whole iterations of the preset small")
    bench.time_small_iterations()
    say("nca bench: iterations with a decoder")
    bench.time_decoder()
    say("nca bench: simulation")
    bench.time_simulation()
    say("nca bench: peak memory")
    bench.measure_memory()
    say("nca bench: growth of cost")
    growth = measure_growth(rounds, bfloat16=bench.fast_bfloat16)
    after = peak.measure()
    machine = describe_machine() | {
        "load": f"{load_before} before, {load()} after",
        "peak before": {name: round(value) for name, value in before.items()},
        "peak after": {name: round(value) for name, value in after.items()},
        "peak unit": "billion operations per CPU second on one core",
        "disturbed": is_disturbed(before, after),
        "faster precision": "bfloat16" if bench.fast_bfloat16 else "float32",
        "rounds": rounds,
        "sizes": "small: these figures have no meaning" if SMALL else "as documented",
    }
    gates = [*GATES, *BFLOAT16_GATES] if bench.fast_bfloat16 else GATES
    return Report(machine, bench.parity, bench.rows, growth, gates, bench.absent)


class Bench:
    """Measures variants and collects rows; only variants with correct results are timed."""

    def __init__(self, rounds: int, peak: dict[str, float]) -> None:
        self.rounds, self.peak = rounds, peak
        self.bfloat16 = "bfloat16" in peak
        self.fast_bfloat16 = self.bfloat16 and bfloat16_is_fast()
        self.parity: list[Parity] = []
        self.rows: list[Row] = []
        self.absent: dict[str, str] = {}
        self._right: set[str] = set()

    def check(self) -> None:
        """Check every variant against float64; variants with wrong results are not timed."""
        checks = {
            "unroll_fp32": check_unroll(*FULL, "native", bfloat16=False),
            "unroll_tiny": check_unroll(*TINY, "native", bfloat16=False),
            "iteration_fp32": check_iteration(*FULL, "native", bfloat16=False),
            "iteration_torch": check_iteration(*FULL, "torch", bfloat16=self.fast_bfloat16),
            "simulate_fp32": check_simulation(*FULL, "native"),
        }
        checks |= {name: check_small(statistic) for name, statistic in SMALL_ITERATIONS.items()}
        if self.bfloat16:
            checks["unroll_bf16"] = check_unroll(*FULL, "native", bfloat16=True)
            checks["iteration_bf16"] = check_iteration(*FULL, "native", bfloat16=True)
        else:
            self.absent |= dict.fromkeys(("unroll_bf16", "iteration_bf16"), NO_BFLOAT16)
        self.parity = [replace(found, name=name) for name, found in checks.items()]
        self._right = {found.name for found in self.parity if found.met}

    def time_unrolls(self) -> None:
        """Time unrolls of the larger rule, and compute their share of the machine's peak."""
        variants = {
            "unroll_fp32": _unroll(FULL, "native", False),
            "unroll_bf16": _unroll(FULL, "native", True),
            "unroll_torch_fp32": _unroll(FULL, "torch", False),
        }
        if self.bfloat16:
            variants["unroll_torch_bf16"] = _unroll(FULL, "torch", True)
        times = self._time(_lesson_unroll(FULL), variants)
        for name, kind in (("unroll_fp32", "float32"), ("unroll_bf16", "bfloat16")):
            if name in times:
                share = [100 * _operations() / t / 1e9 / self.peak[kind] for t in times[name]]
                spread = Spread(*sorted((min(share), sum(share) / len(share), max(share))))
                against = f"the core's {kind} peak: executed operations [least .. most]"
                self.rows.append(Row.of(f"{name}_peak_share", spread, against, "%"))

    def time_tiny(self) -> None:
        """Time unrolls of the smallest rule."""
        self._time(_lesson_unroll(TINY), {"unroll_tiny": _unroll(TINY, "native", False)})

    def time_peers(self) -> None:
        """Time other libraries' float32 unroll of the larger rule, in a new process per round."""
        if "unroll_fp32" not in self._right:
            return
        for name in PEERS:
            versions = peer_versions(name)
            try:
                if versions is None:
                    raise PeerError("not installed; pip install 'nca-studio[bench]'")
                self.parity.append(found := check_peer(name, *FULL))
                if not found.met:
                    raise PeerError("its result is wrong")
                self._time_peer(name, versions)
            except PeerError as error:
                self.absent[f"unroll_fp32_over_{name}"] = str(error)

    def _time_peer(self, name: str, versions: str) -> None:
        work = PeerWork(*FULL)
        times: Times = {name: [], "ours": []}
        for _ in range(min(self.rounds, MAX_ROUNDS)):
            times[name].append(work.run(name).seconds)
            times["ours"] += interleave({"ours": work.run_here}, 1)["ours"]
        ratio = ratios(times[name], times["ours"])
        self.rows.append(Row.of(f"unroll_fp32_over_{name}", ratio, f"{versions}"))

    def time_iterations(self) -> None:
        """Time whole iterations, with loss and optimizer."""
        model, vgg, target = SimpleCA(*FULL), make_vgg16(), torch.rand(1, 3, SIZE, SIZE)
        lesson = LessonIteration(model, LessonLoss(vgg, target), SIZE, BATCH, STEPS)
        loss = frozen_loss(vgg, target)

        def ours(backend: Backend, bfloat16: bool) -> OurIteration:
            sizes = (SIZE, BATCH, STEPS)
            return OurIteration(to_rule(model), loss, *sizes, backend=backend, bfloat16=bfloat16)

        variants = {
            "iteration_bf16": ours("native", True),
            "iteration_fp32": ours("native", False),
            "iteration_torch": ours("torch", self.fast_bfloat16),
        }
        self._time(lesson, variants)

    def time_small_iterations(self) -> None:
        """Time whole iterations of the default training, with and without the loss kernel."""
        for name, statistic in SMALL_ITERATIONS.items():
            if name not in self._right:
                continue
            torch_loss, ours = (
                small_iteration(statistic, kernel=kernel, bfloat16=self.fast_bfloat16)
                for kernel in (False, True)
            )
            times = interleave({"torch": torch_loss, name: ours}, self.rounds)
            row = Row.of(name, ratios(times["torch"], times[name]), "the same, with loss in torch")
            self.rows.append(row)

    def time_decoder(self) -> None:
        """Time iterations with a decoder, and the share of drawing pictures and their loss."""
        plain, fine = FineIteration(), FineIteration(SCALE)
        work: dict[str, Callable[[], object]] = {"plain": plain, "fine": fine}
        work["pictures"] = fine.pictures
        times = interleave(work, self.rounds)
        for name, top, bottom, against in (
            ("iteration_decoder", "fine", "plain", "the time without a decoder, on equal grids"),
            ("decoder_share", "pictures", "fine", "the time of an iteration with a decoder"),
        ):
            self.rows.append(Row.of(name, ratios(times[top], times[bottom]), against))

    @torch.no_grad()
    def time_simulation(self) -> None:
        """Time steps without gradients."""
        model = SimpleCA(*FULL)
        rule, state = to_rule(model), torch.rand(1, FULL[0], SIMULATED_SIZE, SIMULATED_SIZE) - 0.5

        def lesson() -> None:
            x = state
            for _ in range(SIMULATED_STEPS):
                x = model(x)

        def native() -> None:
            list(simulate(rule, state, [SIMULATED_STEPS], backend="native"))

        self._time(lesson, {"simulate_fp32": native})

    def measure_memory(self) -> None:
        """Measure the peak memory of one unroll, ours and the lesson's, and of training runs."""
        for variant, name in (("native", "unroll_memory_mb"), ("lesson", "lesson_memory_mb")):
            megabytes = unroll_megabytes(variant, *FULL, SIZE, STEPS)
            self._add_memory(name, megabytes, "memory before the run")
        for kind, name in (
            ("float32", "train_memory_mb"),
            ("bfloat16", "train_memory_bf16_mb"),
        ):
            if kind in self.peak:
                megabytes = training_megabytes(kind, SIZE, 2 * STEPS)
                self._add_memory(name, megabytes, f"the imports: full, {2 * STEPS} steps")

    def _add_memory(self, name: str, megabytes: float, against: str) -> None:
        self.rows.append(Row(name, megabytes, megabytes, megabytes, against, "MB"))

    def _time(
        self, lesson: Callable[[], None], variants: Mapping[str, Callable[[], None]]
    ) -> Times:
        usable = {
            name: variant
            for name, variant in variants.items()
            if name in self._right or name.startswith("unroll_torch")
        }
        if not usable:
            return {}
        times = interleave({"lesson": lesson, **usable}, self.rounds)
        self.rows += [Row.of(n, ratios(times["lesson"], times[n]), LESSON) for n in usable]
        return times


def _operations() -> float:
    """Count the operations of a native unroll, forward and backward, for firing cells only."""
    channels, hidden = FULL
    first, second = 4 * channels * hidden, channels * hidden
    forward, backward = first + second, 3 * first + 2 * second
    return 2.0 * (forward + backward) * BATCH * SIZE**2 * STEPS * 0.5


def _state(channels: int) -> Tensor:
    return torch.rand(BATCH, channels, SIZE, SIZE) - 0.5


def _unroll(sizes: tuple[int, int], backend: Backend, bfloat16: bool) -> Callable[[], None]:
    rule, state = to_rule(SimpleCA(*sizes)), _state(sizes[0])
    generator = torch.Generator().manual_seed(0)

    def unroll_once() -> None:
        masks = random_masks(STEPS, BATCH, SIZE, SIZE, 0.5, generator)
        with precision(bfloat16):
            last = unroll(state, rule, masks, backend)
        last.sum().backward()  # type: ignore[no-untyped-call]

    return unroll_once


def _lesson_unroll(sizes: tuple[int, int]) -> Callable[[], None]:
    model, state = SimpleCA(*sizes), _state(sizes[0])

    def unroll_once() -> None:
        x = state
        for _ in range(STEPS):
            x = model(x)
        x.sum().backward()  # type: ignore[no-untyped-call]

    return unroll_once
