"""Standard streams that are closed, full, or of another encoding; users without a home."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca.cli import ensure_home

ROOT = Path(__file__).parents[2]
QUICK = ("--preset", "tiny", "--size", "32", "--grid", "16", "--late-grid", "16", "--pool-size",
         "8", "--iterations", "6", "--backend", "torch", "--quiet")  # fmt: skip
RULE = ROOT / "nca" / "gallery" / "rules" / "coral.safetensors"


def picture(path: Path) -> Path:
    waves = np.sin(np.mgrid[0:40, 0:40].sum(0) / 3)[..., None] * [90, 60, 30] + 128
    Image.fromarray(waves.astype(np.uint8)).save(path, "png")
    return path


def shell(script: str, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``nca WORDS`` where the script says ``"$@"``."""
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "nca", *map(os.fspath, words)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, check=False, env=os.environ | environment,
        text=True, errors="replace",
    )  # fmt: skip


@pytest.mark.parametrize("redirected", [">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&-"])
def test_no_message_is_worth_a_training(tmp_path: Path, redirected: str) -> None:
    out = tmp_path / "run"
    words = ("train", picture(tmp_path / "a.png"), "--out", out, *QUICK)
    done = shell(f'"$@" {redirected}', *words)
    assert done.returncode == 0, done.stderr
    assert (out / "loss.png").exists()


def test_a_reader_of_the_messages_that_is_gone_does_not_end_a_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("train", picture(tmp_path / "a.png"), "--out", out, *QUICK)
    shell('"$@" 2>&1 >/dev/null | true', *words)
    assert (out / "loss.png").exists()


def test_results_that_cannot_be_shown_are_one_line(tmp_path: Path) -> None:
    done = shell('"$@" >/dev/full', "info", RULE)
    assert done.returncode == 1
    assert done.stderr == f"nca: [Errno {errno.ENOSPC}] No space left on device\n"
    assert shell('"$@" >&-', "info", RULE).returncode == 0
    assert "Traceback" not in shell('"$@" >/dev/full', "info", tmp_path / "none").stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_names_that_the_console_cannot_show_are_escaped(tmp_path: Path, encoding: str) -> None:
    out = tmp_path / "\u51fa\u529b"
    words = ("train", picture(tmp_path / "a.png"), "--out", out, *QUICK)
    done = shell('"$@"', *words, PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert r"\u51fa\u529b/rule.safetensors" in done.stdout


@pytest.mark.parametrize("name", [b"bl\xe4tt.png", "\u6728\u306e\u8449.png".encode(), b"$x_$.png"])
def test_a_picture_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    try:
        path = picture(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    except OSError:
        pytest.skip("the file system takes no such name")
    done = shell('"$@"', "train", path, "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Glyph" not in done.stderr
    assert (tmp_path / "run" / "live.html").exists()


def test_a_user_without_a_home_has_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for home in (None, "", "relative"):
        monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
        ensure_home()
        assert Path.home() == Path("/")
    monkeypatch.setenv("HOME", "/somewhere")
    ensure_home()
    assert Path.home() == Path("/somewhere")


def test_windows_has_no_home_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "sep", "\\")  # which is no absolute path, even there
    ensure_home()
    assert "HOME" not in os.environ
