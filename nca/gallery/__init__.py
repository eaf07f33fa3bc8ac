"""Rules trained on the bundled images, which come with the package.

Each rule ``rules/NAME.safetensors`` has its figures in ``reports/NAME.json``, as written by ``nca
eval``. A rule with a decoder is called ``NAME-fine``; it and its figures are in the folder
``fine``. ``python -m tools.gallery DIR`` trains and measures them all again.
"""

from pathlib import Path

from nca.errors import InputError

__all__ = ["gallery", "gallery_path"]

RULES = Path(__file__).parent / "rules"
FINE_RULES = Path(__file__).parent / "fine"  # with a decoder
FINE = "-fine"  # end of their names


def gallery(*, fine: bool = False) -> list[str]:
    """Names of the rules; the first one is shown first.

    Args:
        fine: also list rules with a decoder, after the others.
    """
    names = sorted(path.stem for path in RULES.glob("*.safetensors"))
    finer = sorted(path.stem for path in FINE_RULES.glob("*.safetensors")) if fine else []
    return [*sorted(names, key=lambda name: name != "scales"), *finer]


def gallery_path(name: str) -> Path:
    """The file of a rule, with or without a decoder.

    Raises:
        InputError: there is no such rule; the message lists all rules.
    """
    names = gallery(fine=True)
    if name not in names:
        raise InputError(f"no rule is called {name!r}; there are {', '.join(names)}")
    return (FINE_RULES if name.endswith(FINE) else RULES) / f"{name}.safetensors"
