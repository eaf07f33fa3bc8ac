"""What the command ``nca view`` calls."""

from dataclasses import replace

from nca.gallery import gallery, gallery_path
from nca.viewer.headless import run_headless
from nca.viewer.settings import ViewSettings
from nca.viewer.window import run_window


def run(settings: ViewSettings) -> None:
    """Show rules, or the gallery, in a window until it is closed, or run them without one.

    Raises:
        InputError: a file or a setting cannot be used.
        GraphicsError: there is no display or no usable OpenGL.
    """
    if not settings.rules:
        settings = replace(settings, rules=tuple(map(gallery_path, gallery())))
    if settings.headless:
        run_headless(settings)
    else:
        run_window(settings)
