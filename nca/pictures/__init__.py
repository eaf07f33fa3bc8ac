"""Textures and materials that come with the package; ``tools/pictures`` draws them."""

from pathlib import Path

from nca.errors import InputError

__all__ = ["MATERIALS", "PICTURES", "material_path", "named_material", "picture_path"]

FOLDER = Path(__file__).parent / "files"
MATERIAL_FOLDER = Path(__file__).parent / "materials"
PICTURES = sorted(path.stem for path in FOLDER.glob("*.png"))  # names
MATERIALS = sorted({path.parent.name for path in MATERIAL_FOLDER.glob("*/*.png")})  # names


def picture_path(name: str) -> Path:
    """The file of an image: PNG, 256x256, RGB.

    Raises:
        InputError: there is no such image; the message lists all images.
    """
    if name not in PICTURES:
        raise InputError(f"no image is called {name!r}; there are {', '.join(PICTURES)}")
    return FOLDER / f"{name}.png"


def material_path(name: str) -> Path:
    """The folder of a material: a PNG of 256x256 pixels for each map.

    Raises:
        InputError: there is no such material; the message lists all materials.
    """
    if name not in MATERIALS:
        raise InputError(f"no material is called {name!r}; there are {', '.join(MATERIALS)}")
    return MATERIAL_FOLDER / name


def named_material(path: Path) -> Path:
    """The folder of a bundled material, if a path is its name and not that of a file or folder."""
    named = str(path) in MATERIALS and not path.exists()
    return material_path(str(path)) if named else path
