"""Rules trained on the bundled images, which come with the package.

Each rule ``rules/NAME.safetensors`` has its metrics in ``reports/NAME.json``, as written by ``nca
eval``. Rules with a decoder are in the folder ``fine`` and are called ``NAME-fine``; rules of
materials are in the folder ``materials`` and are called ``NAME-material``; their metrics are beside
them. ``python -m tools.gallery DIR`` trains and measures them all again.
"""

from pathlib import Path
from typing import Literal, get_args

from nca.errors import InputError

__all__ = ["KINDS", "Kind", "gallery", "gallery_path", "kind_of", "named_rule", "picture_of"]

Kind = Literal["plain", "fine", "material"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDERS: dict[Kind, Path] = {
    "plain": Path(__file__).parent / "rules",
    "fine": Path(__file__).parent / "fine",
    "material": Path(__file__).parent / "materials",
}


def gallery(*kinds: Kind) -> list[str]:
    """Names of the rules of some kinds; default: plain. The first one is shown first."""
    names = [
        path.stem
        for kind in kinds or ("plain",)
        for path in sorted(FOLDERS[kind].glob("*.safetensors"))
    ]
    return sorted(names, key=lambda name: name != "scales")


def kind_of(name: str) -> Kind:
    """The kind of a rule, from the end of its name."""
    end = name.rpartition("-")[2]
    return "fine" if end == "fine" else "material" if end == "material" else "plain"


def picture_of(name: str) -> str:
    """The name of the bundled image that a rule was trained on."""
    return name if kind_of(name) == "plain" else name.rpartition("-")[0]


def named_rule(path: Path) -> Path:
    """The file of a bundled rule, if a path is its name and not that of a file or folder."""
    named = str(path) in gallery(*KINDS) and not path.exists()
    return gallery_path(str(path)) if named else path


def gallery_path(name: str) -> Path:
    """The file of a rule.

    Raises:
        InputError: there is no such rule; the message lists all rules.
    """
    names = gallery(*KINDS)
    if name not in names:
        raise InputError(f"no rule is called {name!r}; there are {', '.join(names)}")
    return FOLDERS[kind_of(name)] / f"{name}.safetensors"
