"""Paint a picture in the style of others."""

from typing import Any

from PIL import Image

from nca.api.pictures import AnyPicture, as_picture, as_pictures
from nca.images import to_image
from nca.images.color_profiles import convert
from nca.style.settings import style_settings
from nca.style.train import stylize as paint


def stylize(
    content: AnyPicture,
    *styles: AnyPicture,
    size: int = 512,
    iterations: int | None = None,
    **settings: Any,
) -> Image.Image:
    """Paint a picture in the style of others.

    ::

        content, style = nca.grow("scales", size=48), nca.grow("coral", size=48)
        picture = nca.stylize(content, style, size=32, smallest=32, iterations=2)
        print(picture.size)

    Args:
        content: picture to paint: a path, a Pillow image, an array [H, W, 3] of uint8 or of floats
            in [0, 1], or a tensor [3, H, W] in [0, 1].
        styles: pictures that define the style, of the same types.
        size: longer side of the result, in pixels, 32 to 16384.
        iterations: number of steps at each scale; by default 300 at the first and 150 at the
            others.
        settings: other options of ``nca style``, with ``_`` instead of ``-``:
            ``preset="lesson20"``, ``out``, ``style_weight=2``, ``features="vgg19"``, ``seed=1``.
            Pictures (``content_masks``, ``style_masks``, ``image``) can have the same types as
            ``content``.

    Returns:
        The painted picture, 8-bit sRGB.

    Raises:
        InputError: a picture or a setting is not usable; the message names it.
        FailedError: a result could not be written; all others were written.
    """
    values = as_pictures(settings, "content_masks", "style_masks", "image")
    out, preset = values.pop("out", None), values.pop("preset", "standard")
    if iterations is not None:
        values = {"first_iterations": iterations, **values, "iterations": iterations}
    painted = paint(
        style_settings(
            as_picture(content, "content"),
            [as_picture(style, "styles") for style in styles],
            out,
            preset,
            size=size,
            **values,
        )
    )
    return convert(to_image(painted.image[0]), painted.profile, None)
