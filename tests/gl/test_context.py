"""The error without a usable OpenGL."""

import os
import subprocess
import sys
from pathlib import Path

import moderngl
import pytest

from nca.cli import main
from nca.errors import GraphicsError
from nca.gl import context
from tests.helpers.players import rule_file

ROOT = Path(__file__).parents[2]


def trouble(**environment: str) -> str:
    """The message of a process that opens a context in this environment."""
    code = (
        "from nca.errors import GraphicsError\n"
        "from nca.gl.context import open_headless\n"
        "try:\n    open_headless()\n"
        "except GraphicsError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.gl
@pytest.mark.skipif(sys.platform != "linux", reason="Mesa's variables")
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MESA_GL_VERSION_OVERRIDE": "2.1"}, "no usable OpenGL 3.3 here"),
        ({"MESA_GL_VERSION_OVERRIDE": "3.2"}, "no usable OpenGL 3.3 here"),
        ({"GLCONTEXT_LINUX_LIBEGL": "/none.so"}, "apt install libegl1 libgl1"),
        ({"GLCONTEXT_LINUX_LIBGL": "/none.so"}, "apt install libegl1 libgl1"),
    ],
)
def test_old_or_missing_drivers_are_reported_in_a_line(environment, said):
    text = trouble(**environment)
    assert said in text
    assert text.count("\n") == 1


def test_the_exit_code_is_3(tmp_path, monkeypatch, capsys):
    def fail(**_):
        raise Exception("no device\nat all")  # as moderngl does

    monkeypatch.setattr(moderngl, "create_context", fail)
    path = rule_file(tmp_path)
    for words in (
        ["view", str(path), "--headless", "--steps", "1"],
        ["render", str(path), "--out", str(tmp_path / "a.png"), "--engine", "gl"],
    ):
        assert main(words) == 3
        error = capsys.readouterr().err
        assert "no usable OpenGL 3.3 here (no device at all); " in error
        assert error.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


class Driver:
    """A context that lacks something."""

    def __init__(self, targets: int = 8, floats: bool = True) -> None:
        self.info = {
            "GL_MAX_DRAW_BUFFERS": targets,
            "GL_MAX_COLOR_ATTACHMENTS": 8,
            "GL_RENDERER": "Abacus",
        }
        self.floats, self.released = floats, False

    def texture(self, *_: object, **__: object) -> "Driver":
        return self

    def framebuffer(self, _: object) -> "Driver":
        if not self.floats:
            raise moderngl.Error("the framebuffer is not complete")
        return self

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (Driver(targets=1), "Abacus draws into fewer than 4 textures at once"),
        (Driver(floats=False), "Abacus cannot draw into float textures"),
    ],
)
def test_drivers_without_float_targets_are_refused(driver, said):
    with pytest.raises(GraphicsError, match=said):
        context.checked(driver)
    assert driver.released


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin", "sunos5"])
def test_the_advice_is_for_the_system(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    text = str(context.missing_graphics("reason"))
    assert ("apt install" in text) == (platform == "linux")
