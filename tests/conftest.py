"""Fixtures that open real graphics: an OpenGL context without a window, and a browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import moderngl
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def absent(what: str) -> None:
    """Skip a test that this machine cannot run; in CI it must be able to."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is needed in CI")
    pytest.skip(f"no {what} here")


@pytest.fixture(scope="session")
def gl() -> Iterator[moderngl.Context]:
    """An OpenGL 3.3 context without a window."""
    try:
        context = moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # moderngl raises plain Exception
        absent(f"OpenGL 3.3 through EGL ({error})")
        raise
    yield context
    context.release()


@pytest.fixture(scope="session")
def published() -> Path:
    """The 66 rules of the article "Self-Organising Textures"."""
    path = DATA / "published" / "selforg_textures.json"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if path is None:
        absent("Chromium")
    assert path is not None
    return path
