"""Code shared by browser tests: a server, waiting, and reading and writing states."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import torch
from playwright.sync_api import ConsoleMessage, Page, Request

from tests.helpers.waiting import PATIENCE

READY = "globalThis.nca && nca.player.simulation.seeded"


def until(page: Page, condition: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; the page's policy forbids the eval of ``wait_for_function``."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(30)


def watch(page: Page, complaints: list[str], own: tuple[str, ...], source: str = "") -> None:
    """Record errors and warnings of a page, and requests to other addresses.

    Args:
        page: the page.
        complaints: list to which the messages are appended.
        own: prefixes of the addresses that the page may request.
        source: only messages of scripts with this text in their address count; default: all.
    """

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and source in message.location["url"]:
            complaints.append(message.text)

    def check(request: Request) -> None:
        if not request.url.startswith((*own, "data:", "blob:")):
            complaints.append(f"request to {request.url}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", check)


READ = """() => {
  const bytes = new Uint8Array(nca.player.simulation.read().buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768));
  }
  return btoa(text);
}"""
WRITE = """([text, channels]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  nca.player.simulation.write(new Float32Array(bytes.buffer), channels);
}"""


def read(page: Page, shape: tuple[int, ...]) -> torch.Tensor:
    raw = base64.b64decode(page.evaluate(READ))
    return torch.from_numpy(np.frombuffer(raw, np.float32).reshape(shape).copy())


def write(page: Page, state: torch.Tensor) -> None:
    text = base64.b64encode(state.numpy().tobytes()).decode()
    page.evaluate(WRITE, [text, len(state)])


# The numbers of what the display draws, as a float picture of the grid or of what a camera sees.
DRAWN = """([zoom, x, y, width, height, lamp]) => {
  const { player, player: { display, gl, simulation } } = nca;
  gl.getExtension("EXT_color_buffer_float");
  display.aimAt({ camera: { x, y, zoom }, width, height, lamp });
  display.color(simulation);
  const { across, down } = display.part(simulation), bytes = display.fresh;
  display.fresh = new bytes.constructor(gl, gl.RGBA32F, across, down, false);
  display.prepare = () => {};
  display.color(simulation);
  const values = new Float32Array(across * down * 4);
  display.fresh.use();
  gl.readPixels(0, 0, across, down, gl.RGBA, gl.FLOAT, values);
  display.fresh.dispose();
  display.fresh = bytes;
  delete display.prepare;
  const all = new Uint8Array(values.buffer), letters = [];
  for (let i = 0; i < all.length; i++) letters.push(String.fromCharCode(all[i]));
  return [across, down, btoa(letters.join(""))];
}"""


def drawn(
    page: Page,
    zoom: float,
    x: float,
    y: float,
    width: int,
    height: int,
    lamp: tuple[float, float] | None = None,
) -> torch.Tensor:
    across, down, data = page.evaluate(DRAWN, [zoom, x, y, width, height, lamp])
    pixels = np.frombuffer(base64.b64decode(data), np.float32).reshape(down, across, 4)[..., :3]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without logging requests."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on a free local port; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
