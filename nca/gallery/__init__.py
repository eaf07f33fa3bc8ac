"""Rules trained on the bundled images, which come with the package.

Each rule ``NAME.safetensors`` has its figures in ``NAME.json``, as written by ``nca eval``.
``python -m tools.gallery DIR`` trains and measures them all again.
"""

from pathlib import Path

from nca.errors import InputError

__all__ = ["gallery", "gallery_path"]

RULES = Path(__file__).parent / "rules"


def gallery() -> list[str]:
    """Names of the rules; the first one is shown first."""
    names = sorted(path.stem for path in RULES.glob("*.safetensors"))
    return sorted(names, key=lambda name: name != "scales")


def gallery_path(name: str) -> Path:
    """The file of a rule.

    Raises:
        InputError: there is no such rule; the message lists all rules.
    """
    if name not in gallery():
        raise InputError(f"no rule is called {name!r}; there are {', '.join(gallery())}")
    return RULES / f"{name}.safetensors"
