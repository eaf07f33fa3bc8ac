"""`nca ddpm sample`: pictures, or a movie of them appearing, from a checkpoint alone."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nca.ddpm.denoiser import Denoise
from nca.ddpm.guidance import (
    Distance,
    Guided,
    structure_distance,
    style_distance,
    to_unit,
)
from nca.ddpm.noising import from_bytes
from nca.ddpm.results import Movie, enlarged, sheet, stack
from nca.ddpm.run import Model, Run, load_run
from nca.ddpm.samplers import build_sampler
from nca.ddpm.sampling import batched, draw, noise_levels
from nca.ddpm.settings import SampleSettings
from nca.errors import InputError
from nca.images import read_square, write_image
from nca.threads import torch_threads
from nca.training.folder import make_folder
from nca.training.movie import write_movie

MOVIES = (".webp", ".gif", ".apng", ".mp4")


@dataclass(frozen=True)
class Sampled:
    """What was drawn.

    Attributes:
        path: where it is.
        pictures: [N, C, H, W] in about [-1, 1].
    """

    path: Path
    pictures: Tensor


def sample(settings: SampleSettings) -> Sampled:
    """Draw and write.

    Raises:
        InputError: the checkpoint, a picture or the output is not usable.
    """
    check_output(settings)
    run = load_run(settings.run)
    movie = Movie() if settings.out.suffix.lower() in MOVIES else None
    if movie is not None and settings.n > settings.batch_size:
        raise InputError(f"`n` {settings.n}: a movie shows one batch; `batch_size` {settings.n}")
    pictures = draw_samples(run, settings, movie)
    if movie is not None:
        write_movie(settings.out, movie.frames(pictures), fps=10)
    elif settings.out.suffix:
        write_image(settings.out, sheet(pictures))
    else:
        make_folder(settings.out)
        for i, picture in enumerate(pictures):
            write_image(settings.out / f"{settings.seed + i:06}.png", enlarged(picture, 1))
    return Sampled(settings.out, pictures)


def check_output(settings: SampleSettings) -> None:
    """Refuse to replace what is there.

    Raises:
        InputError: it is there, and --overwrite is not given; or its folder is missing.
    """
    out = settings.out
    there = any(out.iterdir()) if out.is_dir() else out.exists()
    if there and not settings.overwrite:
        raise InputError(f"`out` {out}: is there already; use `overwrite`")
    if out.suffix and not out.parent.is_dir():
        raise InputError(f"`out` {out}: there is no folder {out.parent}")


def draw_samples(run: Run, settings: SampleSettings, movie: Movie | None = None) -> Tensor:
    """All pictures that the settings ask for, [N, C, H, W] in about [-1, 1].

    Raises:
        InputError: a label is unknown, or a picture cannot be read.
    """
    model = run.model
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.net.to(device)
    sampler = build_sampler(settings.sampler, eta=settings.eta, churn=settings.churn)
    like = _like(settings, model)
    # Image to image (Meng et al., "SDEdit", 2022): begin further down, with the picture.
    sigmas = noise_levels(
        model.schedule, settings.steps, settings.sampler, settings.spacing, settings.strength
    )
    distances = guides(settings, like)

    def denoiser(part: range) -> Denoise:
        denoise: Denoise = model.denoiser(_labels(settings, model, part, device), settings.guidance)
        for distance, weight in distances:
            denoise = Guided(denoise, distance, weight)
        return denoise

    @torch.no_grad()
    def trial() -> None:
        few = range(1 + min(settings.n, settings.batch_size) // 8)
        denoiser(few)(torch.zeros(len(few), *model.facts.shape, device=device), sigmas[0])

    pictures = []
    with torch_threads(trial):
        for part in batched(settings.n, settings.batch_size):
            pictures.append(
                draw(
                    denoiser(part),
                    sampler,
                    sigmas,
                    model.facts.shape,
                    [settings.seed + i for i in part],
                    device=device,
                    start=like if settings.strength < 1 else None,
                    watch=movie,
                )
            )
    return stack(pictures)


def guides(settings: SampleSettings, like: Tensor | None) -> list[tuple[Distance, float]]:
    """What pulls at the samples, and how strongly."""
    distances: list[tuple[Distance, float]] = []
    if settings.style is not None:
        style = read_square(settings.style, settings.style_size)[None]
        distances.append((style_distance(style, settings.features), settings.style_weight))
    if like is not None and settings.like_weight > 0:
        structure = structure_distance(to_unit(like[None]), settings.features)
        distances.append((structure, settings.like_weight))
    return distances


def _like(settings: SampleSettings, model: Model) -> Tensor | None:
    if settings.like is None:
        return None
    picture = read_square(settings.like, model.facts.side)
    if model.facts.colors == 1:
        picture = picture.mean(0, keepdim=True)
    return from_bytes((255 * picture).round())


def _labels(
    settings: SampleSettings, model: Model, part: range, device: torch.device
) -> Tensor | None:
    if settings.label is None:
        if model.classes is None:
            return None
        return (torch.tensor(part) + settings.seed).to(device) % model.classes
    names = model.facts.names
    if model.classes is None:
        raise InputError(f"`label` {settings.label}: the model was not trained with `classes`")
    if settings.label not in names:
        raise InputError(f"`label` {settings.label}: must be one of {', '.join(names)}")
    return torch.full((len(part),), names.index(settings.label), device=device)
