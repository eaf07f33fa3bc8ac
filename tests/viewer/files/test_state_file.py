"""Files of states."""

import contextlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from nca.errors import InputError
from nca.viewer.files import state_file
from nca.viewer.files.state_file import SavedState, load_state, save_state


def saved() -> SavedState:
    generator = torch.Generator().manual_seed(1)
    owner = np.arange(30, dtype=np.uint8).reshape(5, 6)
    return SavedState(torch.randn(8, 5, 6, generator=generator), owner, 2**32 - 1, 123)


def test_what_is_saved_is_loaded(tmp_path):
    save_state(tmp_path / "a.npz", saved())
    loaded = load_state(tmp_path / "a.npz")
    assert torch.equal(loaded.state, saved().state)
    np.testing.assert_array_equal(loaded.owner, saved().owner)
    assert (loaded.step_number, loaded.seed) == (2**32 - 1, 123)


def test_a_bare_state_will_do(tmp_path):
    np.savez(tmp_path / "a.npz", state=np.ones((4, 5, 6), np.float32))
    loaded = load_state(tmp_path / "a.npz")
    assert loaded.owner.shape == (5, 6)
    assert loaded.step_number == 0


class Evil:
    def __reduce__(self):
        return (open, ("/tmp/never", "w"))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"other": np.ones(3)}, "no array 'state'"),
        ({"state": np.ones((4, 5), np.float32)}, "must be [C, H, W] float32, not (4, 5) float32"),
        ({"state": np.ones((4, 5, 6))}, "not (4, 5, 6) float64"),
        ({"state": np.ones((3, 5, 6), np.float32)}, "a shape that no rule has: (3, 5, 6)"),
        ({"state": np.full((4, 5, 6), np.nan, np.float32)}, "not finite"),
        (
            {"state": np.ones((4, 5, 6), np.float32), "owner": np.ones((6, 5), np.uint8)},
            "'owner' must be [5, 6] uint8",
        ),
        (
            {"state": np.ones((4, 5, 6), np.float32), "step_seed": np.ones(2)},
            "'step_seed' must be [2] uint32",
        ),
        ({"state": np.array([Evil()], dtype=object)}, "allow_pickle"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, text):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError) as caught:
        load_state(tmp_path / "a.npz")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for content in (b"", b"PK\x03\x04", pickle.dumps([1]), b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a usable state"):
            load_state(path)
    with pytest.raises(InputError, match="No such file"):
        load_state(tmp_path / "none.npz")
    with pytest.raises(InputError, match="cannot read"):
        load_state(tmp_path)


def npz(path, entries, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def npy(header: str) -> bytes:
    """An array's file with any header, and three bytes of content."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"abc"


@pytest.mark.parametrize(
    "entry",
    [
        b"not an array",
        b"",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0, 5)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, -5, 5)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0.5, 5)}"),
        npy("{'descr': {}, 'fortran_order': False, 'shape': (4, 5, 5)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 5"),
        npy("{{}: 1}"),
        npy("(" * 100),
        npy("'" * 3),
        npy("\x00"),
    ],
)
def test_damaged_arrays_are_refused_in_a_line(tmp_path, entry):
    path = tmp_path / "a.npz"
    npz(path, {"state.npy" if entry[:1] == b"\x93" else "state": entry})
    with pytest.raises(InputError, match="not a usable state") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_any_changed_byte_is_refused_in_words_or_makes_no_difference(tmp_path, kind):
    path = tmp_path / "a.npz"
    data = io.BytesIO()
    np.save(data, saved().state.numpy())
    npz(path, {"state.npy": data.getvalue()}, kind)
    whole, generator = path.read_bytes(), np.random.default_rng(kind)
    for place in generator.choice(len(whole), 150, replace=False):
        changed = bytearray(whole)
        changed[place] ^= 1 << generator.integers(8)
        path.write_bytes(changed)
        with contextlib.suppress(InputError):
            assert torch.equal(load_state(path).state, saved().state)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(InputError, match="not a file"):
        load_state(tmp_path / "a.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, state=np.zeros((4, 512, 512), np.float32))
    monkeypatch.setattr(state_file, "MAX_BYTES", 2**20)
    assert path.stat().st_size < 2**14
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(InputError, match="bytes; the limit is 1048576"):
        load_state(path)


def test_every_cut_of_a_file_is_refused_in_words(tmp_path):
    path = tmp_path / "a.npz"
    save_state(path, saved())
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            load_state(path)
