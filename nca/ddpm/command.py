"""`nca ddpm sample`: generate images, or a movie of their denoising, with a trained model."""

from pathlib import Path

import torch
from torch import Tensor

from nca.ddpm.checkpoint import Run, load_run
from nca.ddpm.diffusion.denoiser import Denoise
from nca.ddpm.diffusion.draw import batched, draw, noise_levels
from nca.ddpm.diffusion.guidance import (
    Distance,
    Guided,
    structure_distance,
    style_distance,
    to_unit,
)
from nca.ddpm.diffusion.model import Model
from nca.ddpm.diffusion.noising import from_bytes
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.results import Movie, enlarged, sheet
from nca.ddpm.settings import SampleSettings
from nca.errors import InputError
from nca.images import read_square, write_image
from nca.system.threads import torch_threads
from nca.training.callbacks.device import choose_device
from nca.training.folder import make_folder
from nca.training.movie import write_movie

MOVIES = (".webp", ".gif", ".apng", ".mp4")


def sample(settings: SampleSettings) -> Path:
    """Generate images and write them; return the path of the result.

    Raises:
        InputError: the checkpoint, an image or the output is not usable.
    """
    check_output(settings)
    run = load_run(settings.run)
    movie = Movie() if settings.out.suffix.lower() in MOVIES else None
    if movie is not None and settings.n > settings.batch_size:
        raise InputError(
            f"`n` {settings.n}: a movie shows only one batch; use `batch_size` {settings.n}"
        )
    images = draw_samples(run, settings, movie)
    if movie is not None:
        write_movie(settings.out, movie.frames(images), fps=10)
    elif settings.out.suffix:
        write_image(settings.out, sheet(images))
    else:
        make_folder(settings.out)
        for i, image in enumerate(images):
            write_image(settings.out / f"{settings.seed + i:06}.png", enlarged(image, 1))
    return settings.out


def check_output(settings: SampleSettings) -> None:
    """Check that the output can be written, before any work is done.

    Raises:
        InputError: the output exists and ``overwrite`` is off, or its parent folder is missing.
    """
    out = settings.out
    there = any(out.iterdir()) if out.is_dir() else out.exists()
    if there and not settings.overwrite:
        raise InputError(f"`out` {out}: exists already; use `overwrite`")
    if out.suffix and not out.parent.is_dir():
        raise InputError(f"`out` {out}: there is no folder {out.parent}")


def draw_samples(run: Run, settings: SampleSettings, movie: Movie | None = None) -> Tensor:
    """Generate the images that the settings describe, [N, C, H, W] in about [-1, 1].

    Raises:
        InputError: a label is unknown, or an image cannot be read.
    """
    model = run.model
    model.network.to(choose_device(settings.device))
    sampler = build_sampler(settings.sampler, eta=settings.eta, churn=settings.churn)
    like = _like(settings, model)
    # With ``strength`` below 1, sampling starts from ``like`` at a lower noise level (Meng et al.,
    # "SDEdit", 2022).
    sigmas = noise_levels(
        model.schedule, settings.steps, settings.sampler, settings.spacing, settings.strength
    )
    distances = guides(settings, like)

    def denoiser(part: range) -> Denoise:
        denoise = model.denoiser(_labels(settings, model, part), settings.guidance)
        for distance, weight in distances:
            denoise = Guided(denoise, distance, weight)
        return denoise

    @torch.no_grad()
    def trial() -> None:
        few = range(1 + min(settings.n, settings.batch_size) // 8)
        x = torch.zeros(len(few), *model.info.shape, device=model.device)
        denoiser(few)(x, sigmas[0])

    images = []
    with torch_threads(trial):
        for part in batched(settings.n, settings.batch_size):
            images.append(
                draw(
                    denoiser(part),
                    sampler,
                    sigmas,
                    model.info.shape,
                    [settings.seed + i for i in part],
                    device=model.device,
                    start=like if settings.strength < 1 else None,
                    watch=movie,
                )
            )
    return torch.cat(images)


def guides(settings: SampleSettings, like: Tensor | None) -> list[tuple[Distance, float]]:
    """The style and structure losses that guide the samples, each with its weight."""
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
    image = read_square(settings.like, model.info.side)
    if model.info.colors == 1:
        image = image.mean(0, keepdim=True)
    return from_bytes((255 * image).round())


def _labels(settings: SampleSettings, model: Model, part: range) -> Tensor | None:
    if settings.label is None:
        return model.labels([settings.seed + i for i in part])
    names = model.info.names
    if model.classes is None:
        raise InputError(f"`label` {settings.label}: the model was not trained with `classes`")
    if settings.label not in names:
        raise InputError(f"`label` {settings.label}: must be one of {', '.join(names)}")
    return torch.full((len(part),), names.index(settings.label), device=model.device)
