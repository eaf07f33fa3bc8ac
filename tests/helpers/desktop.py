"""A virtual display with mouse and keyboard, and a real viewer on it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageGrab
from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.protocol.event import ClientMessage, SelectionNotify

from nca.viewer.files.state_file import SavedState, load_state
from tests.helpers.waiting import PATIENCE, wait_for

ROOT = Path(__file__).parents[2]
LEFT, MIDDLE, RIGHT, WHEEL_UP, WHEEL_DOWN = range(1, 6)  # button numbers in X


class Screen:
    """An X server that draws into memory.

    Args:
        size: width and height in pixels.
        dots_per_inch: 96 for an ordinary screen, 192 for a high-density one.
    """

    def __init__(self, size: tuple[int, int] = (800, 600), dots_per_inch: int = 96) -> None:
        read, write = os.pipe()
        geometry = f"{size[0]}x{size[1]}x24"
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", geometry, "-nolisten", "tcp"]
        self._server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as output:
            self.name = f":{output.readline().strip()}"
        self.display = Display(self.name)
        root = self.display.screen().root
        resources = f"Xft.dpi:\t{dots_per_inch}\n".encode()
        root.change_property(Xatom.RESOURCE_MANAGER, Xatom.STRING, 8, resources)
        self.display.sync()

    def picture(self) -> npt.NDArray[np.uint8]:
        """What the screen shows, [H, W, 3]."""
        return np.asarray(ImageGrab.grab(xdisplay=self.name).convert("RGB"))

    def do(self, *words: object) -> str:
        """Run an xdotool command."""
        done = subprocess.run(
            ["xdotool", *map(str, words)],
            env={**os.environ, "DISPLAY": self.name},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def kill(self) -> None:
        """Kill the server while its windows are open."""
        self.display.close()
        self._server.kill()
        self._server.wait()

    def close(self) -> None:
        """End the server."""
        self.display.close()
        self._server.terminate()
        self._server.wait()


class Viewer:
    """``nca view`` in a separate process.

    Args:
        screen: the screen to show it on.
        folder: where the viewer saves files.
        words: command-line arguments.
        stderr: where its error messages go, as in ``subprocess.Popen``.
    """

    def __init__(
        self, screen: Screen, folder: Path, *words: object, stderr: int | None = None
    ) -> None:
        self.screen, self.folder = screen, folder
        command = [sys.executable, "-m", "nca", "view", "--folder", str(folder), *map(str, words)]
        environment = {**os.environ, "DISPLAY": screen.name, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
        found: list[str] = []

        def shown() -> bool:
            assert self.process.poll() is None
            search = ["xdotool", "search", "--onlyvisible", "--pid", str(self.process.pid)]
            environment["DISPLAY"] = screen.name
            out = subprocess.run(search, env=environment, capture_output=True, check=False).stdout
            found[:] = out.decode().split()
            return bool(found)

        wait_for(shown, "the window")
        self.number = int(found[-1])
        self.window = screen.display.create_resource_object("window", self.number)
        screen.do("windowfocus", "--sync", self.number)
        self.state()  # waits until the viewer has compiled its shaders

    def keys(self, *names: str) -> None:
        """Press keys, one after another."""
        self.screen.do("key", "--delay", "60", *names)

    def point(self, x: int, y: int) -> None:
        """Move the pointer, in window coordinates; the window is in the top left corner."""
        self.screen.do("mousemove", x, y, "sleep", "0.1")

    def drag(self, button: int, *places: tuple[int, int]) -> None:
        """Press a button, move the pointer, and release the button."""
        first, *rest = places
        moves = [word for x, y in rest for word in ("mousemove", x, y, "sleep", "0.1")]
        start = ("mousemove", *first, "sleep", "0.1", "mousedown", button, "sleep", "0.1")
        self.screen.do(*start, *moves, "mouseup", button, "sleep", "0.1")

    def saved(self, key: str, suffix: str) -> Path:
        """Press a key that saves a file; return the new file."""
        before = set(self.folder.glob(f"*{suffix}"))
        new: list[Path] = []

        def there() -> bool:
            new[:] = set(self.folder.glob(f"*{suffix}")) - before
            return bool(new)

        self.keys(key)
        wait_for(there, f"a new {suffix}")
        return new[0]

    def state(self) -> SavedState:
        """The state, as Ctrl+S saves it."""
        return load_state(self.saved("ctrl+s", ".npz"))

    def picture(self) -> npt.NDArray[np.uint8]:
        """The window's picture, as Shift+S saves it: without the brush and the controls."""
        with Image.open(self.saved("shift+s", ".png")) as image:
            return np.asarray(image)

    def resize(self, width: int, height: int) -> None:
        """Resize the window."""
        self.screen.do("windowsize", "--sync", self.number, width, height)

    def drop(self, *paths: Path) -> None:
        """Drop files on the window with the file managers' protocol (freedesktop.org, XDND 5)."""
        display, target = self.screen.display, self.window
        atom = display.intern_atom
        uris, selection = atom("text/uri-list"), atom("XdndSelection")
        root = display.screen().root
        source = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        source.set_selection_owner(selection, X.CurrentTime)

        def send(name: str, *values: int) -> None:
            data = (32, [source.id, *values, *[0] * (4 - len(values))])
            target.send_event(ClientMessage(window=target, client_type=atom(name), data=data))
            display.flush()

        place = 200 << 16 | 150
        send("XdndEnter", 5 << 24, uris)
        send("XdndPosition", 0, place, X.CurrentTime, atom("XdndActionCopy"))
        finished = False
        while not finished:
            wait_for(display.pending_events, "an answer to the drop")
            event = display.next_event()
            if event.type == X.SelectionRequest:
                content = "".join(f"{path.as_uri()}\r\n" for path in paths).encode()
                event.requestor.change_property(event.property, event.target, 8, content)
                output = SelectionNotify(
                    time=event.time,
                    requestor=event.requestor,
                    selection=event.selection,
                    target=event.target,
                    property=event.property,
                )
                event.requestor.send_event(output)
                display.flush()
            elif event.type == X.ClientMessage:
                if event.client_type == atom("XdndStatus"):
                    send("XdndDrop", 0, X.CurrentTime)
                finished = event.client_type == atom("XdndFinished")
        source.destroy()
        display.flush()

    def close(self) -> int:
        """Click the window's close button; return the exit code."""
        atom = self.screen.display.intern_atom
        data = (32, [atom("WM_DELETE_WINDOW"), X.CurrentTime, 0, 0, 0])
        message = ClientMessage(window=self.window, client_type=atom("WM_PROTOCOLS"), data=data)
        self.window.send_event(message)
        self.screen.display.flush()
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Kill the viewer if it is still running."""
        self.process.kill()
        self.process.wait()
