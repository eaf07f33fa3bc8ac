"""States as files: those that the page opens, and those that it refuses, keeping its own state."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from playwright.sync_api import Page

from nca.rule_settings import RuleSettings
from tests.helpers.browsing import read, until, write
from tests.helpers.rules import bounded_rule

pytestmark = pytest.mark.browser

SHAPE = (8, 20, 28)
Array = npt.NDArray[Any]


@pytest.fixture
def page(still_page: Callable[..., Page]) -> Page:
    """A page on a state of ones, paused."""
    rule = bounded_rule(RuleSettings(channels=SHAPE[0], hidden=16))
    page = still_page({"plain": rule}, grid=(SHAPE[2], SHAPE[1]), seed=7)
    write(page, torch.ones(SHAPE))
    return page


def saved(**arrays: Array) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def with_shape(text: str, count: int) -> bytes:
    """A state whose header claims a shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({text}), }}".encode()
    header = header.ljust(117) + b"\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(4 * count)
        archive.writestr("state.npy", body)
    return data.getvalue()


def claiming(unpacked: int, real: int) -> bytes:
    """A state that claims one size when unpacked, and has another."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(bytes(real)) + packer.flush()
    common = struct.pack(
        "<HHHHHIIIHH", 20, 0, 8, 0, 33, zlib.crc32(bytes(real)), len(packed), unpacked, 9, 0
    )
    local = b"PK\x03\x04" + common + b"state.npy" + packed
    entry = b"PK\x01\x02\x14\x00" + common + bytes(14) + b"state.npy"
    return (
        local + entry + struct.pack("<4sIHHIIH", b"PK\x05\x06", 0, 1, 1, len(entry), len(local), 0)
    )


def value(number: float) -> Array:
    state = np.zeros(SHAPE, np.float32)
    state[3, 4, 5] = number
    return state


def changed_byte() -> bytes:
    data = bytearray(saved(state=np.random.default_rng(1).random(SHAPE, np.float32)))
    data[len(data) // 2] ^= 0x10
    return bytes(data)


GOOD = np.zeros(SHAPE, np.float32)
STEP_NAN = np.array([np.nan, 0], np.float32)
BAD: dict[str, tuple[bytes, str]] = {
    "no height": (saved(state=np.zeros((8, 0, 28), np.float32)), "3 to 4096 cells"),
    "one cell": (saved(state=np.zeros((8, 1, 1), np.float32)), "3 to 4096 cells"),
    "negative": (with_shape("8, -20, -28", 8 * 20 * 28), "3 to 4096 cells"),
    "a fraction": (with_shape("8, 5.5, 28", 8 * 154), "3 to 4096 cells"),
    "not a number": (with_shape("8, x, 28", 8), "an array of shape"),
    "long": (saved(state=np.zeros((4, 3, 5000), np.float32)), "3 to 4096 cells"),
    "many channels": (saved(state=np.zeros((100_000, 3, 3), np.float32)), "1 to 64 channels"),
    "no channel": (saved(state=np.zeros((0, 9, 9), np.float32)), "1 to 64 channels"),
    "NaN": (saved(state=value(np.nan)), "not finite"),
    "infinite": (saved(state=value(-np.inf)), "not finite"),
    "doubles": (saved(state=GOOD.astype(np.float64)), "type <f8"),
    "bytes": (saved(state=GOOD.astype(np.uint8)), "float32 [channels, height, width]"),
    "step of floats": (saved(state=GOOD, step_seed=STEP_NAN), "'step_seed' must be uint32"),
    "one count": (saved(state=GOOD, step_seed=np.zeros(1, np.uint32)), "'step_seed' must be"),
    "owners": (saved(state=GOOD, owner=np.zeros((9, 9), np.uint8)), "'owner' must be uint8"),
    "no state": (saved(other=GOOD), "no array 'state'"),
    "cut": (saved(state=GOOD)[:-30], "not an .npz file"),
    "one byte": (changed_byte(), "damaged"),
    "a bomb": (claiming(600_000_000, 1000), "more than the limit of 512 MB"),
    "a hidden bomb": (claiming(1000, 50_000_000), "damaged"),
    "no offset": (b"PK\x05\x06" + b"\xff" * 18, "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_state_that_cannot_be_shown_is_refused_and_the_old_one_stays(page, tmp_path, name):
    data, word = BAD[name]
    (tmp_path / "bad.npz").write_bytes(data)
    page.set_input_files("[name=file]", tmp_path / "bad.npz")
    toast = "document.getElementById('toast').textContent"
    until(page, f"{toast}.startsWith('bad.npz: ')")
    text = page.evaluate(toast)
    assert word in text
    assert "\n" not in text
    assert torch.equal(read(page, SHAPE), torch.ones(SHAPE))
    assert page.evaluate("[nca.player.simulation.stepNumber, nca.player.simulation.seed]") == [
        0,
        7,
    ]
    page.evaluate("nca.player.runSteps(2)")
    assert page.evaluate("nca.player.simulation.stepNumber") == 2


def test_the_smallest_state_and_more_channels_than_the_rule_has_are_opened(page, tmp_path):
    state = np.random.default_rng(1).random((64, 3, 3), np.float32)
    owner, count = np.zeros((3, 3), np.uint8), np.array([5, 6], np.uint32)
    (tmp_path / "small.npz").write_bytes(saved(state=state, owner=owner, step_seed=count))
    page.set_input_files("[name=file]", tmp_path / "small.npz")
    until(page, "nca.player.simulation.width === 3 && nca.player.simulation.seeded")
    assert np.array_equal(read(page, (8, 3, 3)).numpy(), state[:8])
    assert page.evaluate("[nca.player.simulation.stepNumber, nca.player.simulation.seed]") == [
        5,
        6,
    ]
