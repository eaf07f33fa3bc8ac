"""Textures that come with the package; ``tools/pictures`` draws them."""

from pathlib import Path

from nca.errors import InputError

__all__ = ["PICTURES", "picture_path"]

FOLDER = Path(__file__).parent / "files"
PICTURES = sorted(path.stem for path in FOLDER.glob("*.png"))  # names


def picture_path(name: str) -> Path:
    """The file of an image: PNG, 256x256, RGB.

    Raises:
        InputError: there is no such image; the message lists all images.
    """
    if name not in PICTURES:
        raise InputError(f"no image is called {name!r}; there are {', '.join(PICTURES)}")
    return FOLDER / f"{name}.png"
