"""Whether this is a notebook, and what stands below its cells."""

import base64
import io
import sys
from typing import Any

import pytest
from PIL import Image

from nca.system.notebook import Output, in_notebook
from tests.helpers.notebook.fake import (
    OtherShell,
    TerminalInteractiveShell,
    ZMQInteractiveShell,
    pretend,
)


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (ZMQInteractiveShell(), True),
        (OtherShell(), True),
        (TerminalInteractiveShell(), False),
        (None, False),
    ],
)
def test_the_shell_of_a_kernel_makes_a_notebook(
    shell: Any, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, shell)
    assert in_notebook() is expected


def test_ipython_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "IPython"]:
        monkeypatch.delitem(sys.modules, name)
    assert not in_notebook()
    assert "IPython" not in sys.modules


def test_an_output_replaces_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    displays = pretend(monkeypatch, ZMQInteractiveShell())
    output = Output()
    output.show_picture(Image.new("RGB", (3, 2), "red"), "a red picture", width=320)
    output.show_text("done")
    (display,) = displays
    picture, text = display.shown
    assert text == {"text/plain": "done"}
    assert picture["text/plain"] == "a red picture"
    with Image.open(io.BytesIO(base64.b64decode(picture["image/png"]))) as shown:
        assert (shown.size, shown.getpixel((1, 1))) == ((3, 2), (255, 0, 0))
