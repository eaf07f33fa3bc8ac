"""A real Firefox in a window, controlled through Marionette, Firefox's own protocol for tests.

Marionette sends JSON over a socket, so it needs no package. Geckodriver, which would translate it
for other tools, is not packaged by Debian. Without a window, Firefox has no WebGL 2.
"""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.helpers.desktop import Screen
from tests.helpers.waiting import wait_for

WIDTH, HEIGHT = 800, 600  # size of the window, in pixels

# These turn off the welcome page, the default-browser question and telemetry.
QUIET = {
    "marionette.port": 0,  # any free port; Firefox writes its number to the profile
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "webgl.force-enabled": True,
}


class Firefox:
    """A browser on its own screen.

    Args:
        folder: an empty folder for the profile.
        settings: preferences that differ from Firefox's defaults.
    """

    def __init__(self, folder: Path, settings: Mapping[str, bool]) -> None:
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in {**QUIET, **settings}.items()
        )
        (folder / "user.js").write_text("".join(lines))
        self.screen = Screen((WIDTH, HEIGHT))
        command = ["firefox-esr", "--marionette", "--remote-allow-system-access", "--no-remote"]
        self._process = subprocess.Popen(
            [*command, "--profile", str(folder), "--width", str(WIDTH), "--height", str(HEIGHT)],
            env={**os.environ, "DISPLAY": self.screen.name, "HOME": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = folder / "MarionetteActivePort"
        wait_for(lambda: port.exists() and port.read_text(), "Firefox to listen")
        self._socket = socket.create_connection(("127.0.0.1", int(port.read_text())), timeout=90)
        self._stream = self._socket.makefile("rb")
        self._count = 0
        self._receive()  # the greeting
        self._ask("WebDriver:NewSession")

    def _receive(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox has gone"
            length += byte
        return json.loads(self._stream.read(int(length)))

    def _ask(self, command: str, **arguments: object) -> Any:
        self._count += 1
        message = json.dumps([0, self._count, command, arguments]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        assert error is None, f"{command}: {error}"
        return result

    def goto(self, path: Path, address: str = "") -> None:
        """Open a file; ``address`` is the part of the URL from "#" on."""
        self._ask("WebDriver:Navigate", url=path.as_uri() + address)

    def evaluate(self, expression: str, argument: object = None) -> Any:
        """Evaluate an expression, or a function of the argument, as in Playwright."""
        script = (
            f"const it = ({expression}); return typeof it === 'function' ? it(...arguments) : it"
        )
        options = {"script": script, "args": [argument], "sandbox": None}
        return self._ask("WebDriver:ExecuteScript", **options)["value"]

    def until(self, condition: str) -> None:
        """Wait for a condition."""
        wait_for(lambda: self.evaluate(condition), condition)

    def picture(self) -> npt.NDArray[np.uint8]:
        """The visible part of the page, [H, W, 3]."""
        # The page itself may not know its position: resistFingerprinting hides that, too.
        self._ask("Marionette:SetContext", value="chrome")
        box = "const b = gBrowser.selectedBrowser.getBoundingClientRect(); "
        script = f"{box} return [b.left, b.top, b.right, b.bottom]"
        corners = self._ask("WebDriver:ExecuteScript", script=script)["value"]
        self._ask("Marionette:SetContext", value="content")
        left, top, right, bottom = map(round, corners)
        return self.screen.picture()[top:bottom, left:right]

    def close(self) -> None:
        """End the browser and its screen."""
        self._stream.close()
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        self.screen.close()
