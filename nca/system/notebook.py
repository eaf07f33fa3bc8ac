"""Detect notebooks, and show pictures and text below a running cell."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from PIL import Image

from nca.images import png_base64

# Jupyter's shell class; the shells of other notebooks derive from it.
KERNEL_SHELL = "ZMQInteractiveShell"


def in_notebook() -> bool:
    """Whether the program runs in a notebook. Does not import IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return any(kind.__name__ == KERNEL_SHELL for kind in type(shell).__mro__)


def has_widgets() -> bool:
    """Whether ipywidgets is installed, which the progress bar in notebooks needs."""
    return find_spec("ipywidgets") is not None


class Output:
    """A place below the cell whose content can be replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, content: Any, **options: Any) -> None:
        """Replace the content.

        Args:
            content: any object that IPython can display.
            options: options for IPython's ``display``.
        """
        display = import_module("IPython.display").display  # always present in a notebook
        if self._handle is None:
            self._handle = display(content, display_id=True, **options)
        else:
            self._handle.update(content, **options)

    def show_picture(self, picture: Image.Image, text: str, width: int) -> None:
        """Show a picture.

        Args:
            picture: the picture, of any size.
            text: text to show where pictures cannot be shown.
            width: displayed width, in CSS pixels.
        """
        data = {"image/png": png_base64(picture), "text/plain": text}
        self.show(data, raw=True, metadata={"image/png": {"width": width}})

    def show_text(self, text: str) -> None:
        """Show a line of text."""
        self.show({"text/plain": text}, raw=True)
