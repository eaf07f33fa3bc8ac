"""`nca ddpm fid`: measure samples against images that the model was not trained on.

The *reference* is the set of images that were held out of training. Sets of n samples and sets of
n training images are compared with it. The distance of the training images is the *floor*: samples
at the floor cannot be distinguished from real images. Each figure has an interval, which includes
the variation between repeats and the sampling variation of the reference.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nca.ddpm.checkpoint import Run, load_run
from nca.ddpm.command import draw_samples
from nca.ddpm.data.dataset import ImageDataset, read_dataset, split
from nca.ddpm.diffusion.draw import batched
from nca.ddpm.diffusion.guidance import to_unit
from nca.ddpm.diffusion.noising import from_bytes
from nca.ddpm.fid.classifier import train_classifier
from nca.ddpm.fid.distances import Interval, compare, frechet, kernel_distance
from nca.ddpm.settings import FidSettings, SamplerName, SampleSettings
from nca.errors import InputError
from nca.losses.features.pretrained import Pretrained
from nca.system.files import write_text
from nca.system.threads import torch_threads

COMPARABLE = 2048  # with fewer images, FID mostly depends on their number
SEEDS = 1_000_000  # difference between the first seeds of consecutive repeats

Features = Callable[[Tensor], Tensor]
"""Computes features, [B, D], from images, [B, C, H, W] in [-1, 1]."""


@dataclass(frozen=True)
class Figures:
    """Distances between one kind of image and the reference."""

    name: str
    fid: Interval
    kid: Interval


@dataclass(frozen=True)
class Report:
    """Figures, and how they were measured.

    Attributes:
        protocol: everything that the figures depend on.
        rows: figures of the samples, then of the real images.
    """

    protocol: dict[str, Any]
    rows: list[Figures]

    def __str__(self) -> str:
        lines = [f"{key}: {value}" for key, value in self.protocol.items()]
        return "\n".join([*lines, "", *figure_lines(self.rows)])


def figure_lines(rows: Iterable[Figures]) -> list[str]:
    """Format figures as lines of a table."""
    lines = [f"{'':18} {'FID [95%]':>26} {'KID x 1000 [95%]':>28}"]
    for row in rows:
        fid, kid = row.fid, row.kid
        lines.append(
            f"{row.name:18} {fid.mean:10.4f} [{fid.low:.4f}, {fid.high:.4f}]"
            f" {1e3 * kid.mean:10.3f} [{1e3 * kid.low:.3f}, {1e3 * kid.high:.3f}]"
        )
    return lines


def measure(settings: FidSettings) -> Report:
    """Compare samples and real images with the reference, and write the figures.

    Raises:
        InputError: the checkpoint or the images are not usable, or there are too few for n.
    """
    run = load_run(settings.run)
    evaluator = FidEvaluator(run, settings)
    samples = evaluator.samples({"samples": (settings.sampler, settings.steps)})
    report = Report(
        evaluator.protocol() | {"sampler": settings.sampler, "steps": settings.steps},
        [*samples, evaluator.real_images()],
    )
    if settings.json is not None:
        write_text(settings.json, json.dumps(asdict(report), indent=1))
    return report


class FidEvaluator:
    """Compares samples from a model, and real images, with the reference.

    Args:
        run: the model.
        settings: n, repeats, features and so on; the samplers are arguments of :meth:`samples`.

    Raises:
        InputError: there are too few images.
    """

    def __init__(self, run: Run, settings: FidSettings) -> None:
        self.run, self.settings = run, settings
        trained = run.model.settings
        dataset = read_dataset(settings.data or trained.data, trained.images.size)
        self.learned, self.reference = split(dataset, trained.images.held_out, trained.run.seed)
        for images, kind in (
            (self.reference, "held out of training"),
            (self.learned, "trained on"),
        ):
            if len(images) < settings.n:
                raise InputError(
                    f"`n` {settings.n}: must be at most {len(images)}, the number of images {kind}"
                )
        self.features = build_features(settings.features, self.learned)
        self.target = self._embed(from_bytes(self.reference.images))

    def protocol(self) -> dict[str, Any]:
        """Return everything that the figures depend on."""
        settings = self.settings
        comparable = settings.n >= COMPARABLE
        return {
            "run": str(self.run.path),
            "iterations": self.run.iterations,
            "features": f"{settings.features}, {self.target.shape[1]} values per image",
            "n": settings.n,
            "repeats": settings.repeats,
            "reference": f"{len(self.reference)} images held out of training",
            "reals": f"sets of {settings.n} of the {len(self.learned)} trained on",
            "seed": settings.seed,
            "comparable": "with other figures of these features and this n"
            if comparable
            else f"FID: no, n is below {COMPARABLE}; read the KID, which has no bias",
        }

    def samples(
        self,
        samplers: Mapping[str, tuple[SamplerName, int]],
        seconds: dict[str, list[float]] | None = None,
    ) -> list[Figures]:
        """Measure samples from several samplers, which take turns.

        Args:
            samplers: name of the figures -> sampler and number of steps.
            seconds: name -> list that the CPU seconds of each repeat are appended to.
        """
        sets: dict[str, list[Tensor]] = {name: [] for name in samplers}
        for repeat in range(self.settings.repeats):
            for name, (sampler, steps) in samplers.items():
                start = time.process_time()
                images = self._draw(sampler, steps, repeat)
                if seconds is not None:
                    seconds.setdefault(name, []).append(time.process_time() - start)
                sets[name].append(self._embed(images))
        return [self._figures(name, features) for name, features in sets.items()]

    def _draw(self, sampler: SamplerName, steps: int, repeat: int) -> Tensor:
        """Generate samples for a repeat, [N, C, H, W]; every sampler starts from the same noise."""
        settings = self.settings
        asked = SampleSettings(
            run=settings.run,
            out=settings.run,
            n=settings.n,
            sampler=sampler,
            steps=steps,
            seed=settings.seed + SEEDS * (1 + repeat),
            batch_size=settings.batch_size,
        )
        return draw_samples(self.run, asked)

    def real_images(self) -> Figures:
        """Measure real images (the floor); their sets are disjoint if there are enough images."""
        n, count = self.settings.n, len(self.learned)
        generator = torch.Generator().manual_seed(self.settings.seed)
        orders = [torch.randperm(count, generator=generator) for _ in range(self.settings.repeats)]
        apart = self.settings.repeats * n <= count

        def choose(repeat: int) -> Tensor:
            chosen = orders[0][repeat * n :][:n] if apart else orders[repeat][:n]
            return self._embed(from_bytes(self.learned.images[chosen]))

        return self._figures("reals", [choose(i) for i in range(self.settings.repeats)])

    def _figures(self, name: str, sets: list[Tensor]) -> Figures:
        return Figures(
            name,
            compare(frechet, sets, self.target),
            compare(kernel_distance, sets, self.target),
        )

    @torch.no_grad()
    def _embed(self, images: Tensor) -> Tensor:
        parts = [self.features(images[list(part)]) for part in batched(len(images), 256)]
        return torch.cat(parts).cpu()


def build_features(name: str, learned: ImageDataset) -> Features:
    """Make features by name; ``classifier`` is trained here, on the training images of the model.

    Raises:
        InputError: the features are not available.
    """
    if name == "classifier":
        with torch_threads(None):  # one thread, so that the figures are reproducible
            network = train_classifier(learned)
        device = next(network.parameters()).device
        return lambda images: network.features(images.to(device))
    extractor = Pretrained(name)

    def describe(images: Tensor) -> Tensor:
        layers = extractor(to_unit(images), wraps=False)
        return torch.cat([layer.mean((2, 3)) for layer in layers.values()], 1)

    return describe
