"""Shared code of tests of the page: waiting, and reading and writing states."""

import base64
import time

import numpy as np
import torch
from playwright.sync_api import Page

from tests.helpers.waiting import PATIENCE

READY = "globalThis.nca && nca.player.simulation.seeded"


def until(page: Page, condition: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; the page's policy forbids the eval of ``wait_for_function``."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(30)


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
