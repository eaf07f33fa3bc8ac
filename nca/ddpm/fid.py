"""`nca ddpm fid`: how far samples are from pictures that the model has not seen.

The protocol: some pictures are held out when the model is trained. They are the reference. Sets of
n samples are compared with them, and so are sets of n real pictures that the model was trained on:
what those score is the floor, as no model can be told from the real thing below it. Every figure
has the interval of the whole comparison: of its repeats, and of the choice of the reference.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nca.ddpm.classifier import train_classifier
from nca.ddpm.data import Pictures, read_pictures, split
from nca.ddpm.distances import Interval, compare, frechet, kernel_distance
from nca.ddpm.guidance import to_unit
from nca.ddpm.noising import from_bytes
from nca.ddpm.run import Run, load_run
from nca.ddpm.sample import draw_samples
from nca.ddpm.sampling import batched
from nca.ddpm.settings import FidSettings, SamplerName, SampleSettings
from nca.errors import InputError
from nca.files import write_atomically
from nca.losses.features.pretrained import Pretrained
from nca.threads import torch_threads

COMPARABLE = 2048  # fewer pictures, and FID mostly measures their number
SEEDS = 1_000_000  # between the first seeds of two repeats

Features = Callable[[Tensor], Tensor]
"""Pictures, [B, C, H, W] in [-1, 1], to features, [B, D]."""


@dataclass(frozen=True)
class Figures:
    """Two distances of a kind of pictures from the reference."""

    name: str
    fid: Interval
    kid: Interval


@dataclass(frozen=True)
class Report:
    """What was measured, and how.

    Attributes:
        protocol: everything that the figures depend on.
        rows: samples first, then real pictures.
    """

    protocol: dict[str, Any]
    rows: list[Figures]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def table(self) -> str:
        """For a person."""
        lines = [f"{key}: {value}" for key, value in self.protocol.items()]
        lines += ["", f"{'':12} {'FID [95 %]':>26} {'KID x 1000 [95 %]':>28}"]
        for row in self.rows:
            fid, kid = row.fid, row.kid
            lines.append(
                f"{row.name:12} {fid.mean:10.4f} [{fid.low:.4f}, {fid.high:.4f}]"
                f" {1e3 * kid.mean:10.3f} [{1e3 * kid.low:.3f}, {1e3 * kid.high:.3f}]"
            )
        return "\n".join(lines)


def measure(settings: FidSettings) -> Report:
    """Draw samples, compare them and the real ones with the reference, and write the figures.

    Raises:
        InputError: the checkpoint or the pictures are not usable, or too few for n.
    """
    run = load_run(settings.run)
    judge = Judge(run, settings)
    report = Report(
        judge.protocol() | {"sampler": settings.sampler, "steps": settings.steps},
        [judge.samples("samples", settings.sampler, settings.steps), judge.reals()],
    )
    if settings.json is not None:
        text = json.dumps(report.to_dict(), indent=1)
        write_atomically(settings.json, text.encode())
    return report


class Judge:
    """Compares samples of a model, and real pictures, with the reference.

    Args:
        run: the model.
        settings: n, repeats and features; the sampler is given with every set of samples.

    Raises:
        InputError: there are too few pictures.
    """

    def __init__(self, run: Run, settings: FidSettings) -> None:
        self.run, self.settings = run, settings
        trained = run.model.settings
        pictures = read_pictures(settings.data or trained.data, trained.pictures.size)
        self.learned, self.reference = split(pictures, trained.pictures.held_out, trained.run.seed)
        if len(self.reference) < settings.n:
            raise InputError(
                f"`n` {settings.n}: {len(self.reference)} pictures were held out of the training; "
                f"use at most as many"
            )
        if len(self.learned) < settings.n:
            raise InputError(f"`n` {settings.n}: the model has seen {len(self.learned)} pictures")
        self.features = build_features(settings.features, self.learned)
        self.target = self._embed(from_bytes(self.reference.images))

    def protocol(self) -> dict[str, Any]:
        """What the figures depend on."""
        settings = self.settings
        comparable = settings.n >= COMPARABLE
        return {
            "run": str(self.run.path),
            "iterations": self.run.iterations,
            "features": f"{settings.features}, {self.target.shape[1]} values a picture",
            "n": settings.n,
            "repeats": settings.repeats,
            "reference": f"{len(self.reference)} pictures held out of the training",
            "reals": f"sets of {settings.n} of the {len(self.learned)} trained on",
            "seed": settings.seed,
            "comparable": "with other figures of these features and this n"
            if comparable
            else f"FID: no, n is below {COMPARABLE}; read the KID, which has no bias",
        }

    def samples(self, name: str, sampler: SamplerName, steps: int) -> Figures:
        """Score of what a sampler draws."""
        repeats = range(self.settings.repeats)
        return self.figures(name, (self.draw(sampler, steps, repeat) for repeat in repeats))

    def draw(self, sampler: SamplerName, steps: int, repeat: int) -> Tensor:
        """The samples of a repeat, [N, C, H, W]; every sampler begins with the same noise."""
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

    def reals(self) -> Figures:
        """Score of real pictures: the floor. The sets do not overlap where there are enough."""
        n, count = self.settings.n, len(self.learned)
        generator = torch.Generator().manual_seed(self.settings.seed)
        orders = [torch.randperm(count, generator=generator) for _ in range(self.settings.repeats)]
        apart = self.settings.repeats * n <= count

        def choose(repeat: int) -> Tensor:
            chosen = orders[0][repeat * n :][:n] if apart else orders[repeat][:n]
            return from_bytes(self.learned.images[chosen])

        return self.figures("reals", map(choose, range(self.settings.repeats)))

    def figures(self, name: str, repeats: Iterable[Tensor]) -> Figures:
        """Score of sets of pictures, [N, C, H, W] in about [-1, 1] each."""
        sets = [self._embed(pictures) for pictures in repeats]
        return Figures(
            name,
            compare(frechet, sets, self.target),
            compare(kernel_distance, sets, self.target),
        )

    @torch.no_grad()
    def _embed(self, pictures: Tensor) -> Tensor:
        parts = [self.features(pictures[list(part)]) for part in batched(len(pictures), 256)]
        return torch.cat(parts).cpu()


def build_features(name: str, learned: Pictures) -> Features:
    """Features by name; ``classifier`` is trained on the pictures that the model was trained on.

    Raises:
        InputError: they cannot be had.
    """
    if name == "classifier":
        with torch_threads(None):  # so that the figures repeat
            net = train_classifier(learned)
        device = next(net.parameters()).device
        return lambda pictures: net.features(pictures.to(device))
    extractor = Pretrained(name)

    def describe(pictures: Tensor) -> Tensor:
        layers = extractor(to_unit(pictures), torus=False)
        return torch.cat([layer.mean((2, 3)) for layer in layers.values()], 1)

    return describe
