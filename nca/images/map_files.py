"""Find the maps of a material in a folder by their file names, as material libraries use them."""

import re
from dataclasses import dataclass
from pathlib import Path

from nca.errors import InputError
from nca.images.picture_files import is_picture, natural_order
from nca.maps import MAPS, MapName

# The last words of a file name, in lower case and joined, identify the map: "Moss_Base_Color" ends
# in "basecolor". A short word may also be the name of a photograph, so it counts only after another
# word, as in "moss_diff".
WORDS: dict[str, MapName] = {
    "color": "color", "colour": "color", "basecolor": "color", "basecolour": "color",
    "albedo": "color", "diffuse": "color",
    "normal": "normal", "normalgl": "normal", "normalopengl": "normal", "normalogl": "normal",
    "normaldx": "normal", "normaldirectx": "normal",
    "height": "height", "displacement": "height",
    "roughness": "roughness",
    "occlusion": "occlusion", "ambientocclusion": "occlusion",
    "metalness": "metalness", "metallic": "metalness",
}  # fmt: skip
SHORT_WORDS: dict[str, MapName] = {
    "col": "color", "diff": "color", "nor": "normal", "norgl": "normal", "nordx": "normal",
    "disp": "height", "rough": "roughness", "ao": "occlusion", "metal": "metalness",
}  # fmt: skip
DIRECTX = ("normaldx", "normaldirectx", "nordx")
PACKED: dict[MapName, int] = {"occlusion": 0, "roughness": 1, "metalness": 2}  # channels of "arm"
KINDS = {"arm": "maps of occlusion, roughness and metalness", "directx": "DirectX normal maps"}
# A size or a format may follow these words: "moss_diff_1k", "Moss_Color_2K-JPG".
SUFFIX = re.compile(r"\d+(k|px|bit|x\d+)?|jpe?g|png|tiff?")


@dataclass(frozen=True)
class MapFile:
    """A file that contains a map.

    Attributes:
        path: path of the file.
        channel: channel of the file to read, for maps with a single channel.
        directx: whether it is a normal map in the DirectX convention, in which y points down.
    """

    path: Path
    channel: int = 0
    directx: bool = False


def map_word(path: Path) -> str:
    """Return the last words of a file name that identify a map, joined; empty if there are none."""
    words = re.findall("[a-z0-9]+", path.stem.lower())
    while words and SUFFIX.fullmatch(words[-1]):
        words.pop()
    for count in (3, 2, 1):
        word = "".join(words[-count:])
        if word in WORDS or (len(words) > count and (word in SHORT_WORDS or word == "arm")):
            return word
    return ""


def is_material(path: Path) -> bool:
    """Whether a path is a folder with two kinds of maps or more, one of them color or normal."""
    try:
        words = {map_word(file) for file in path.iterdir() if file.is_file()}
    except OSError:
        return False
    kinds = {_kind(word) for word in words if word}
    return len(kinds) > 1 and not kinds.isdisjoint(("color", "normal"))


def map_files(folder: Path) -> dict[MapName, MapFile]:
    """Find the map files in a folder, in the order of :data:`nca.maps.MAPS`.

    If there are normal maps in both conventions, the OpenGL one is used.

    Raises:
        InputError: the folder cannot be read, it has no color map, two files contain the same map,
            or a map is not in a readable image format.
    """
    try:
        paths = sorted((p for p in folder.iterdir() if p.is_file()), key=natural_order)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error
    named = [path for path in paths if map_word(path) and not path.name.startswith(".")]
    found = _by_slot(folder, [path for path in named if is_picture(path)])
    maps = {name: file for name in MAPS if (file := _choose(name, found))}
    for path in named:
        if not is_picture(path) and _kind(map_word(path)) not in {*maps, None}:
            raise InputError(
                f"{path}: a map must be an image such as PNG or JPEG; convert or remove it"
            )
    if "color" not in maps:
        raise InputError(
            f"{folder} has no color map; its name must end in _Color, _Albedo, _BaseColor or _diff"
        )
    return maps


def _kind(word: str) -> MapName | None:
    """Return the map that a word stands for; None for packed maps."""
    return WORDS.get(word) or SHORT_WORDS.get(word)


def _by_slot(folder: Path, paths: list[Path]) -> dict[str, Path]:
    """Group files by map; "directx" stands for DirectX normals, and "arm" for packed maps."""
    found: dict[str, Path] = {}
    for path in paths:
        word = map_word(path)
        slot = "directx" if word in DIRECTX else _kind(word) or word
        first = found.setdefault(slot, path)
        if first != path:
            kind = KINDS.get(slot, f"{slot} maps")
            raise InputError(
                f"{folder}: {first.name} and {path.name} are both {kind}; keep one of them"
            )
    return found


def _choose(name: MapName, found: dict[str, Path]) -> MapFile | None:
    if name in found:
        return MapFile(found[name])
    if name == "normal" and "directx" in found:
        return MapFile(found["directx"], directx=True)
    if name in PACKED and "arm" in found:
        return MapFile(found["arm"], channel=PACKED[name])
    return None
