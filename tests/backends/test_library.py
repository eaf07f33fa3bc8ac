"""The cache of compiled libraries."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nca.backends import compiler, library
from nca.backends.compiler import CompileError, find_compiler, load_library
from nca.system.cache import cache_folder, user_cache

ROOT = Path(__file__).parents[2]
ANSWER = 'extern "C" int answer() { return 42; }'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test; warnings appear again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library.warn_once.cache_clear()
    return tmp_path / "cache" / "nca"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "answer.cpp"
    path.parent.mkdir()
    path.write_text(ANSWER)
    return path


def answer(source: Path) -> int:
    value: int = load_library(source, {}, symbols=("answer",)).answer()
    return value


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the compiler."""
    find_compiler()
    found: list[list[str]] = []
    run = compiler._run

    def count(command: list[str]) -> str:
        found.append(command)
        return run(command)

    monkeypatch.setattr(compiler, "_run", count)
    return found


def test_it_is_compiled_once_and_nobody_else_may_write_it(
    cache: Path, source: Path, runs: list[list[str]]
) -> None:
    assert [answer(source), answer(source)] == [42, 42]
    assert len(runs) == 1
    (path,) = cache.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert cache.stat().st_mode & 0o777 == 0o700


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 7 // 10)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def zeroed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.write_bytes(b"\x7fELF" + bytes(100))


def writable(path: Path) -> None:
    path.chmod(0o620)


def link(path: Path) -> None:
    shutil.move(path, path.parent / "elsewhere")
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize("damage", [cut, empty, zeroed, foreign, writable, link])
def test_a_library_that_cannot_be_trusted_is_made_again(
    damage: Callable[[Path], None], cache: Path, source: Path, runs: list[list[str]]
) -> None:
    answer(source)
    (path,) = cache.iterdir()
    damage(path)
    assert answer(source) == 42
    assert len(runs) == 2
    assert answer(source) == 42
    assert len(runs) == 2
    assert path.is_file()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_library_of_another_user_is_made_again(
    cache: Path, source: Path, runs: list[list[str]]
) -> None:
    answer(source)
    (path,) = cache.iterdir()
    os.chown(path, 65534, -1)
    assert answer(source) == 42
    assert len(runs) == 2
    assert path.stat().st_uid == 0


def test_a_library_without_a_symbol_is_made_again(
    cache: Path, source: Path, runs: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source.write_text(ANSWER.replace("answer", "question"))
    with pytest.raises(CompileError, match=r"incomplete library: .*undefined symbol: answer"):
        answer(source)
    with monkeypatch.context() as trusting:  # like one stored by an older version
        trusting.setattr(library, "load", lambda path, _: path)
        answer_of_old = load_library(source, {}, symbols=("answer",))
    assert str(answer_of_old)
    assert len(list(cache.iterdir())) == 1
    with pytest.raises(CompileError, match="incomplete library"):
        answer(source)
    assert len(runs) == 3
    assert list(cache.iterdir()) == []


def test_a_folder_in_the_place_of_a_library_is_named(
    cache: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer(source)
    (path,) = cache.iterdir()
    path.unlink()
    path.mkdir()
    assert answer(source) == 42
    assert caplog.messages == [f"every start compiles again: {path} is a folder; delete it"]


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_cache_that_others_can_write_is_not_used(
    mode: int, cache: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.mkdir(parents=True)
    cache.chmod(mode)
    assert answer(source) == 42
    assert list(cache.iterdir()) == []
    assert f"can be written by other users; chmod go-w {cache}" in caplog.text
    cache.chmod(0o700)
    answer(source)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
def test_a_cache_of_another_user_is_not_used(
    cache: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.mkdir(parents=True)
    os.chown(cache, 65534, -1)
    assert answer(source) == 42
    assert list(cache.iterdir()) == []
    assert f"{cache} belongs to another user; set XDG_CACHE_HOME" in caplog.text


def fails_to_load_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a folder on a file system that is mounted ``noexec``."""
    load = library.load

    def picky(path: Path, symbols: list[str]) -> object:
        if folder in path.parents:
            raise OSError(f"{path}: failed to map segment from shared object")
        return load(path, symbols)

    monkeypatch.setattr(library, "load", picky)


def test_a_cache_that_may_not_be_executed_is_named_and_another_folder_taken(
    cache: Path,
    source: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails_to_load_in(cache, monkeypatch)
    assert [answer(source), answer(source)] == [42, 42]
    assert f"{cache}" in caplog.text
    assert "set XDG_CACHE_HOME to a folder whose files may be executed" in caplog.text


def test_temporary_folders_that_may_not_be_executed_are_no_obstacle(
    cache: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    fails_to_load_in(tmp_path / "temporary", monkeypatch)
    assert answer(source) == 42
    fails_to_load_in(cache, monkeypatch)
    with pytest.raises(CompileError, match="set XDG_CACHE_HOME to a folder whose files may be ex"):
        answer(source)


def test_temporary_folders_are_gone(
    cache: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "")
    assert answer(source) == 42
    with cache_folder() as folder:
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []
    assert not cache.exists()


@pytest.mark.parametrize("home", ["", ".", "home"])
def test_a_relative_home_is_no_home(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", home)
    for base in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        with pytest.raises(OSError, match="is not an absolute path"):
            user_cache()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "nca"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with cache_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()
