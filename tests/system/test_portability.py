"""Other systems: what is not on Windows is not asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from nca.system import files
from nca.system.files import replace
from nca.system.processes import apart
from tests.project.test_packages import ROOT, modules

PEERS = ("jax_peer", "cax_peer")  # need packages that are not ours to have


def test_a_training_runs_on_a_python_without_what_windows_lacks(tmp_path: Path) -> None:
    names = sorted(name for name in modules() if not name.endswith(("__main__", *PEERS)))
    assert len(names) > 150
    script = Path(__file__).parent / "simulated_windows.py"
    command = [sys.executable, "-X", "warn_default_encoding", "-W", ENCODING, str(script)]
    done = subprocess.run(
        [*command, str(tmp_path), *names],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**PLAIN, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "rule.safetensors").stat().st_size > 0
    ours = [line for line in done.stderr.splitlines() if "EncodingWarning" in line]
    assert not [line for line in ours if str(ROOT) in line and "site-packages" not in line]


ENCODING = "default::EncodingWarning"
PLAIN = {"OMP_NUM_THREADS": "1", "PATH": "", "HOME": "/nowhere"}


def test_a_file_that_is_open_elsewhere_is_replaced_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    tries: list[Path] = []
    move = Path.replace

    def busy(path: Path, target: Path) -> Path:
        tries.append(path)
        if len(tries) < 3:
            raise PermissionError(13, "Access is denied")
        return move(path, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(files, "PAUSE", 0.0)
    with pytest.raises(PermissionError):
        replace(tmp_path / "new", tmp_path / "old")
    assert len(tries) == 1, "only Windows refuses for a while"
    monkeypatch.setattr(sys, "platform", "win32")
    replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"new"
    tries.clear()
    monkeypatch.setattr(files, "TRIES", 2)
    (tmp_path / "new").write_bytes(b"newer")
    with pytest.raises(PermissionError):
        replace(tmp_path / "new", tmp_path / "old")


def test_a_program_of_its_own_is_spared_by_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    assert apart() == {"start_new_session": True}
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    assert apart() == {"creationflags": 512}
