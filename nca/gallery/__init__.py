"""Rules that the project trained on its bundled images, to look at right after installation.

Beside each rule ``NAME.safetensors`` are its figures, ``NAME.json``, as ``nca eval`` wrote them.
``python -m tools.gallery DIR`` trains and measures them all again.
"""

from pathlib import Path

from nca.errors import InputError

__all__ = ["gallery", "gallery_path"]

RULES = Path(__file__).parent / "rules"


def gallery() -> list[str]:
    """Names of the rules, the one to show first in front."""
    names = sorted(path.stem for path in RULES.glob("*.safetensors"))
    return sorted(names, key=lambda name: name != "scales")


def gallery_path(name: str) -> Path:
    """The file of a rule.

    Raises:
        InputError: there is no such rule; the text lists all.
    """
    if name not in gallery():
        raise InputError(f"no rule is called {name!r}; there are {', '.join(gallery())}")
    return RULES / f"{name}.safetensors"
