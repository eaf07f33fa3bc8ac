"""ICC color profiles: the meaning of an image's color values."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

Profile = bytes | None
"""An ICC profile for RGB; None: sRGB."""

# For each kind of profile: the mode of its color values, and the image modes that it applies to.
MODES = {
    "RGB": ("RGB", ("RGB", "RGBA", "L", "LA", "YCbCr")),
    "GRAY": ("L", ("L", "LA")),
    "CMYK": ("CMYK", ("CMYK",)),
}
SAME = 3  # levels out of 255; sRGB profiles from different makers differ by at most this


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an image from its profile to sRGB; transparency is kept.

    The image stays unchanged if the profile is sRGB, is unusable, or is for another color model.
    """
    mode, fitting = MODES.get(_kind(profile), ("", ()))
    if image.mode not in fitting:
        return image
    transform = _transform(profile, mode)
    if transform is None:
        return image
    opacity = image.getchannel("A") if "A" in image.getbands() else None
    converted = transform.apply(image if image.mode == mode else image.convert(mode))
    converted.info = {}
    if opacity is not None:
        converted.putalpha(opacity)
    return converted


def rgb_profile(profile: bytes | None) -> Profile:
    """Return the profile if it is a readable RGB profile, the only kind that results can have."""
    return profile if _kind(profile) == "RGB" else None


def convert(image: Image.Image, source: Profile, target: Profile) -> Image.Image:
    """Convert the colors of an RGB image from one profile to another."""
    if source == target:
        return image
    converted = ImageCms.profileToProfile(image, _open(source), _open(target), outputMode="RGB")
    assert converted is not None
    return converted


def _kind(profile: bytes | None) -> str:
    try:
        return _open(profile).profile.xcolor_space.strip() if profile else ""
    except (ImageCms.PyCMSError, OSError):
        return ""


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None if it is not needed or not possible."""
    try:
        transform = ImageCms.ImageCmsTransform(_open(profile), _open(None), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(64, 64, 3)
    if mode == "L":
        colors = colors.max(-1, keepdims=True).repeat(3, -1)
    if mode != "CMYK":
        probe = Image.fromarray(colors).convert(mode)
        difference = np.asarray(transform.apply(probe)).astype(int) - colors
        if np.abs(difference).max() <= SAME:
            return None
    return transform


def _open(profile: Profile) -> ImageCms.ImageCmsProfile:
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.getOpenProfile(io.BytesIO(profile))
