import os
import socket
import stat
from pathlib import Path

import pytest

from nca.errors import InputError
from nca.system.files import describe_placeholder, open_regular, read_regular, write_atomically


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        write_atomically(tmp_path, b"")
    with pytest.raises(InputError, match="No such file"):
        write_atomically(tmp_path / "no" / "a", b"")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, said in {
            "pipe": "it is a pipe or a device",
            "socket": "No such device",
            "none": "No such file",
            ".": "is a folder",
        }.items():
            with pytest.raises(InputError, match=said):
                open_regular(tmp_path / name)
    with pytest.raises(InputError, match="it is a pipe or a device"):
        open_regular(Path("/dev/zero"))


def test_no_more_is_read_than_a_file_of_its_kind_has(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 4) == b"1234"
    with pytest.raises(InputError, match="larger than 3 bytes"):
        read_regular(tmp_path / "a", 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "run git lfs pull"),
        (b"<!DOCTYPE html><html>", "HTML or XML page"),
        (b"\xef\xbb\xbf\r\n <?xml", "HTML or XML page"),
        (b"<\0\0\0\0\0\0\0{", ""),
        (b"something else", ""),
    ],
)
def test_what_was_saved_in_the_place_of_a_file(data: bytes, said: str) -> None:
    assert describe_placeholder(data).count(said)
    assert bool(describe_placeholder(data)) == bool(said)
