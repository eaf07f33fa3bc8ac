"""The compiler: its errors, and simulated commands of other systems."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nca.backends import compiler, library
from nca.backends.compiler import CompileError, common_flags, find_compiler, load_library
from nca.backends.native import KERNELS

ROOT = Path(__file__).parents[2]
needs_zig = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="no ziglang here"
)


def script(folder: Path, text: str) -> Path:
    path = folder / "compiler"
    path.write_text(f'#!/bin/sh\ncase "$*" in *-dM*) exec g++ "$@";; esac\n{text}\n')
    path.chmod(0o700)
    return path


UNROLL = """
import sys, torch
sys.modules.update(dict.fromkeys(sys.argv[1:]))
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.backends import unroll
rule = Rule(RuleSettings(channels=4, hidden=8))
state, masks = rule.initial_state(1, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool)
for _ in range(3):
    unroll(state, rule, masks)
try:
    unroll(state, rule, masks, "native")
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def unroll_with(
    cxx: str, folder: Path, *absent: str, **more: str
) -> "subprocess.CompletedProcess[str]":
    """Three unrolls with any backend, and one with the compiled library, without some modules."""
    environment = os.environ | {
        "CXX": cxx,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **more,
    }
    command = [sys.executable, "-c", UNROLL, *absent]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_compiler_that_fails_is_called_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    failing = script(tmp_path, f'echo >> {calls}; g++ "$@" -o /dev/full')
    done = unroll_with(str(failing), tmp_path)
    assert calls.read_text() == "\n"
    first, last = done.stderr.splitlines()
    assert "No space left on device; unrolls run in torch, several times slower" in first
    assert "InputError: backend native cannot be used here" in last
    assert "nstall" not in done.stderr


def test_a_compiler_that_writes_nothing_is_named(tmp_path: Path) -> None:
    done = unroll_with(str(script(tmp_path, "exit 0")), tmp_path)
    assert "compiler reported success but wrote no library; unrolls run in torch" in done.stderr
    assert list((tmp_path / "cache").rglob("*.so")) == []


def test_a_compiler_that_writes_something_else_is_named(tmp_path: Path) -> None:
    other = script(tmp_path, 'for last in "$@"; do :; done; echo no library > "$last"')
    done = unroll_with(str(other), tmp_path)
    assert "cannot load the library made by" in done.stderr.splitlines()[0]
    assert list((tmp_path / "cache").rglob("*.so")) == []


@pytest.mark.parametrize(
    ("cxx", "said"),
    [
        ("no-such-thing g++", "CXX=no-such-thing g++: 'no-such-thing' was not found; name a C++"),
        ("g++ 'open", "CXX=g++ 'open is not a command: No closing quotation"),
        ("false", "false failed: exit code 1"),
    ],
)
def test_a_wrong_cxx_is_named(cxx: str, said: str, tmp_path: Path) -> None:
    assert said in unroll_with(cxx, tmp_path).stderr.splitlines()[0]


def test_without_a_compiler_one_is_to_be_installed(tmp_path: Path) -> None:
    done = unroll_with("", tmp_path, "ziglang", PATH=str(tmp_path))
    advice = "install g++ or clang++, or pip install 'nca-studio[compiler]'"
    assert f"was found; {advice}; unrolls run in torch" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("cxx", ["{} g++ -DTWO_WORDS", "g++ -m64", " "])
def test_cxx_may_have_several_words(cxx: str, tmp_path: Path) -> None:
    cached = tmp_path / "ccache"
    cached.write_text('#!/bin/sh\nexec "$@"\n')
    cached.chmod(0o700)
    done = unroll_with(cxx.format(cached), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", ["kill -INT $$", "exit 130"])
def test_ctrl_c_in_the_compiler_is_ctrl_c(code: str, tmp_path: Path) -> None:
    done = unroll_with(str(script(tmp_path, code)), tmp_path)
    assert done.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert "KeyboardInterrupt" in done.stderr
    assert "torch, several times slower" not in done.stderr


# ---- other systems -----------------------------------------------------------------------------


class System:
    """A simulated system: compilers are found by name and reject some flags."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, found: str, refused: str = "") -> None:
        self.runs: list[list[str]] = []
        self._refused = refused
        patch.setattr(sys, "platform", name)
        patch.delenv("CXX", raising=False)
        patch.setattr(shutil, "which", lambda each: f"/bin/{each}" if each == found else None)
        patch.setattr(compiler, "_zig", lambda: [])
        patch.setattr(compiler, "_run", self._run)
        patch.setattr(compiler, "load_and_cache", lambda made, *_: made.name)
        patch.setattr(compiler, "cached_library", lambda *_: None)

    def _run(self, command: list[str]) -> str:
        if self._refused and self._refused in command:
            raise CompileError(f"unknown argument {self._refused}")
        self.runs.append(command)
        if "-o" in command:
            Path(command[-1]).write_bytes(b"a library")
        return ""

    def compile(self) -> tuple[str, list[str]]:
        """Name of the library, and the compiler's arguments."""
        find = find_compiler.__wrapped__  # type: ignore[attr-defined]  # what is here is remembered
        compiler.find_compiler, before = find, compiler.find_compiler
        try:
            name: Any = load_library(KERNELS / "unroll.cpp", {"NCA_HIDDEN": "8"})
        finally:
            compiler.find_compiler = before
        return str(name), self.runs[-1]


def test_windows_takes_clang_and_makes_a_dll(monkeypatch: pytest.MonkeyPatch) -> None:
    name, command = System(monkeypatch, "win32", "clang++").compile()
    assert name.endswith(".dll")
    assert command[0] == "/bin/clang++"
    assert not {"-fPIC", "-pthread"} & set(command)
    assert {"-shared", "-march=native", "-DNCA_HIDDEN=8"} <= set(command)


def test_windows_does_not_take_gcc_but_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch, "win32", "g++")
    with pytest.raises(CompileError, match=r"\(clang\+\+\) was found; install clang\+\+, or pip"):
        system.compile()
    monkeypatch.setenv("CXX", "g++ -static")
    assert system.compile()[1][:2] == ["/bin/g++", "-static"]


def test_a_windows_path_may_have_backslashes_and_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    path = r"C:\Program Files\LLVM\clang++.exe"
    System(monkeypatch, "win32", path)
    monkeypatch.setattr(shutil, "which", lambda each: each)
    assert compiler._commands(f'"{path}" -m64') == [(path, "-m64")]


def test_a_mac_with_its_own_processor_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    name, command = System(monkeypatch, "darwin", "c++", refused="-march=native").compile()
    assert name.endswith(".dylib")
    assert "-mcpu=native" in command
    assert "-fPIC" in command


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_no_openmp_is_needed(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, command = System(monkeypatch, system, "clang++").compile()
    assert not any("openmp" in word for word in command)
    assert not any("omp.h" in path.read_text() for path in KERNELS.iterdir())


def test_where_users_have_no_numbers_modes_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "nca").mkdir()
    (tmp_path / "nca").chmod(0o777)
    monkeypatch.delattr(os, "getuid")
    assert library.private_cache() == tmp_path / "nca"


# ---- the compiler of the wheel ziglang ---------------------------------------------------------

COMPARE = """
import torch
from nca.backends import compiler, unroll
from tests.backends.unroll_oracle import largest_error, make_case, results
from nca.backends.native import unroll_native
from nca.backends.torch_backend import unroll_torch
case = make_case(channels=12, hidden=96, size=(16, 20), steps=4)
native, plain = results(unroll_native, case), results(unroll_torch, case)
print(compiler.find_compiler())
print(max(largest_error(native[name], plain[name]) for name in plain))
"""


@needs_zig
@pytest.mark.slow
def test_without_another_compiler_zig_compiles_and_computes_the_same(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CXX"} | {
        "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
        "ZIG_GLOBAL_CACHE_DIR": str(Path.home() / ".cache" / "zig"),
    }  # fmt: skip
    command = [sys.executable, "-c", COMPARE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    name, error = done.stdout.splitlines()
    assert "ziglang" in name
    assert float(error) < 1e-5
    assert "zig compiles the rule; the first time" in done.stderr


@needs_zig
@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "target", "start"),
    [
        ("win32", "x86_64-windows-gnu", b"MZ"),
        ("darwin", "aarch64-macos", b"\xcf\xfa\xed\xfe"),
    ],
)
def test_the_kernels_can_be_compiled_for_other_systems(
    system: str, target: str, start: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    flags, made = common_flags(), tmp_path / f"unroll{library.suffix()}"
    monkeypatch.undo()
    (zig,) = compiler._zig()
    sizes = {"CHANNELS": 4, "HIDDEN": 8, "FILTER_COUNT": 1, "FILTERS": ",".join(["1.0f"] * 9)}
    defines = [f"-DNCA_{name}={value}" for name, value in sizes.items()]
    command = [*zig, *flags, *compiler.ZIG_FLAGS, "-target", target, *defines]
    subprocess.run([*command, str(KERNELS / "unroll.cpp"), "-o", str(made)], check=True)
    data = made.read_bytes()
    assert data.startswith(start)
    assert b"nca_backward" in data
