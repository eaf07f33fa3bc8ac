"""Images out of a diffusion model."""

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
    """Draw images with a diffusion model that ``nca ddpm train`` has trained.

    ::

        images = nca.sample("run", 4, steps=2)
        print(len(images), images[0].size)

    Args:
        checkpoint: the folder of a training, or its checkpoint.
        count: of images. Image i depends on ``seed + i`` alone.
        steps: noise levels; each is one call of the network, two for ``heun``.
        sampler: ``ddpm``, ``ddpm-skip``, ``ddim``, ``euler``, ``heun``, ``lms`` or ``dpmpp``.
        seed: of the first image.
        settings: of ``nca ddpm sample --help``, with ``_`` for ``-``: ``eta=1``, ``label="7"``,
            ``guidance=2``, ``batch_size=256``. Pictures (``style``, ``like``) may be given as
            paths, Pillow images, arrays or tensors.

    Returns:
        8-bit RGB pictures of the size that the model was trained for.

    Raises:
        InputError: the checkpoint, a picture or a setting is not usable; the text names it.
    """
    asked = {"n": count, "steps": steps, "sampler": sampler, "seed": seed}
    values = asked | as_pictures(settings, "style", "like")
    chosen = override(SampleSettings(Path(checkpoint), Path()), values)
    return [enlarged(image, 1) for image in draw_samples(load_run(chosen.run), chosen)]
