"""Generate images with a diffusion model."""

from pathlib import Path
from typing import Any

from PIL import Image

from nca.api.pictures import as_pictures
from nca.ddpm.checkpoint import load_run
from nca.ddpm.command import draw_samples
from nca.ddpm.results import enlarged
from nca.ddpm.settings import SampleSettings
from nca.options import override


def sample(
    checkpoint: str | Path,
    count: int = 16,
    *,
    steps: int = 20,
    sampler: str = "dpmpp",
    seed: int = 0,
    **settings: Any,
) -> list[Image.Image]:
    """Generate images with a diffusion model that ``nca ddpm train`` has trained.

    ::

        images = nca.sample("run", 4, steps=2)
        print(len(images), images[0].size)

    Args:
        checkpoint: the output folder of a training run, or its checkpoint file.
        count: number of images. Image i depends only on ``seed + i``.
        steps: number of noise levels. The network is called once per level, or twice with
            ``heun`` and ``flow``.
        sampler: ``ddpm``, ``ddpm-skip``, ``ddim``, ``euler``, ``heun``, ``lms``, ``dpmpp`` or
            ``flow``.
        seed: random seed of the first image.
        settings: other options of ``nca ddpm sample``, with ``_`` instead of ``-``: ``eta=1``,
            ``label="7"``, ``guidance=2``, ``batch_size=256``. Pictures (``style``, ``like``) can be
            paths, Pillow images, arrays or tensors.

    Returns:
        8-bit RGB pictures of the size that the model was trained for.

    Raises:
        InputError: the checkpoint, a picture or a setting is not usable; the message names it.
    """
    asked = {"n": count, "steps": steps, "sampler": sampler, "seed": seed}
    values = asked | as_pictures(settings, "style", "like")
    chosen = override(SampleSettings(Path(checkpoint), Path()), values)
    return [enlarged(image, 1) for image in draw_samples(load_run(chosen.run), chosen)]
