"""Compile a C++ source of ours at first use and keep the library in the user's cache folder.

A library that is made on the machine it runs on uses all of that machine's instructions and has
the sizes of one rule built in; a wheel could have neither. Two processes may compile the same
source at once: each writes a file of its own and renames it, and either result is right.
"""

import ctypes
import hashlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

from nca.backends.library import EXECUTABLE, cached_library, load_and_cache, suffix, warn_once

FLAGS = (
    "-std=c++17",
    "-O3",
    "-shared",
    "-w",
    # a * b + c in one instruction; NaN and infinity keep their meaning.
    "-ffp-contract=fast",
    "-fno-signed-zeros",
    "-fno-trapping-math",
    "-fno-math-errno",
)
POSIX_FLAGS = ("-fPIC", "-pthread")  # Clang refuses the first on Windows
ZIG_FLAGS = ("-s",)  # without it, debug symbols are nine tenths of a library
MACHINE_FLAGS = (("-march=native",), ("-mcpu=native",), ())
TIMEOUT_SECONDS = 300
INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT, 0xC000013A)  # the last is that of Windows
COMPLAINTS = ("error", "fail", "No space", "not found")  # in the line that says what went wrong


class CompileError(RuntimeError):
    """No library can be had. The text is one line, with the cure where one is known."""


Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


def cached_with_errors(function: Callable[[*Arguments], Result]) -> Callable[[*Arguments], Result]:
    """Call once for the same arguments, also if it fails: a compiler takes seconds to fail."""

    @cache
    def outcome(*arguments: *Arguments) -> Result | CompileError:
        try:
            return function(*arguments)
        except CompileError as error:
            return error

    @wraps(function)
    def call(*arguments: *Arguments) -> Result:
        result = outcome(*arguments)
        if isinstance(result, CompileError):
            raise CompileError(str(result))
        return result

    return call


def load_library(
    source: Path,
    defines: dict[str, str],
    extra_flags: Sequence[str] = (),
    symbols: Sequence[str] = (),
    headers: Path | None = None,
) -> ctypes.CDLL:
    """Load the library of a source, compiled now unless the cache holds it.

    Args:
        source: a C++ file; its folder's ``*.h`` files belong to it.
        defines: macros, name to value.
        extra_flags: for the compiler, after our own.
        symbols: that the library must have.
        headers: one more folder whose ``*.h`` files belong to it.

    Raises:
        CompileError: no compiler, or it failed.
        KeyboardInterrupt: Ctrl-C ended the compiler.
    """
    compiler = find_compiler()
    flags = [*compiler.flags, *(f"-D{k}={v}" for k, v in defines.items()), *extra_flags]
    folders = [source.parent, *([headers] if headers else [])]
    parts = [source, *(part for folder in folders for part in sorted(folder.glob("*.h")))]
    key = hashlib.sha256("\0".join([*compiler.command, compiler.macros, *flags]).encode())
    for part in parts:
        key.update(part.read_bytes())
    stem = f"{source.stem}-{key.hexdigest()[:24]}"
    library = cached_library(stem, symbols)
    if library is not None:
        return library
    if ZIG_FLAGS[0] in compiler.flags:
        warn_once("zig compiles the rule; the first time, with its own library, takes some minutes")
    try:
        # Windows does not remove a library that is loaded.
        with tempfile.TemporaryDirectory(prefix="nca-", ignore_cleanup_errors=True) as folder:
            made = Path(folder) / f"{stem}{suffix()}"
            include = [f"-I{folder}" for folder in folders]
            _run([*compiler.command, *flags, *include, str(source), "-o", str(made)])
            if not made.exists() or not made.stat().st_size:
                raise CompileError(f"{compiler} ended well and wrote no library")
            return load_and_cache(made, stem, symbols)
    except AttributeError as error:
        raise CompileError(f"{compiler} made a library that is not whole: {error}") from error
    except OSError as error:
        cure = f"; {EXECUTABLE}" if "failed to map segment" in str(error) else ""
        raise CompileError(f"cannot load what {compiler} made: {error}{cure}") from error


class Compiler(NamedTuple):
    """A C++ compiler, its flags on this machine, and all macros that it has then.

    The macros tell its version and the CPU's instructions. The command may have several words, such
    as ``ccache g++``.
    """

    command: tuple[str, ...]
    flags: tuple[str, ...]
    macros: str

    def __str__(self) -> str:
        return shlex.join(self.command)


def compilers() -> tuple[str, ...]:
    """Names of the compilers that are looked for, best first.

    On Windows not GCC, which keeps wide vectors on the stack where they are not aligned (its bug
    54412): what it makes ends the process.
    """
    return ("clang++",) if sys.platform == "win32" else ("c++", "g++", "clang++")


def common_flags() -> tuple[str, ...]:
    """What every compiler of this system is called with."""
    return FLAGS if sys.platform == "win32" else (*FLAGS, *POSIX_FLAGS)


def _zig() -> list[tuple[str, ...]]:
    """The command of the compiler in the wheel ``ziglang``, where that is installed."""
    found = importlib.util.find_spec("ziglang")
    folders = (found and found.submodule_search_locations) or ()
    program = "zig.exe" if sys.platform == "win32" else "zig"
    return [(str(path), "c++") for f in folders if (path := Path(f) / program).is_file()]


def _commands(wanted: str) -> list[tuple[str, ...]]:
    """Compilers to try: the one that is wanted, else all that are here."""
    if not wanted:
        paths = [path for path in map(shutil.which, compilers()) if path is not None]
        return [*((path,) for path in paths), *_zig()]
    try:
        words = shlex.split(wanted, posix=sys.platform != "win32")  # a path there has backslashes
    except ValueError as error:
        raise CompileError(f"CXX={wanted} is not a command: {error}") from error
    name, *arguments = (word.strip('"') for word in words)
    path = shutil.which(name)
    if path is None:
        raise CompileError(f"CXX={wanted}: {name!r} was not found; name a C++ compiler")
    return [(path, *arguments)]


@cached_with_errors
def find_compiler() -> Compiler:
    """Find a C++ compiler. ``CXX`` in the environment names one.

    Raises:
        CompileError: there is none.
    """
    failure = None
    for command in _commands(os.environ.get("CXX", "").strip()):
        own = ZIG_FLAGS if Path(command[0]).stem == "zig" else ()
        for machine in MACHINE_FLAGS:
            try:
                macros = _run([*command, *machine, "-dM", "-E", "-x", "c++", os.devnull])
            except CompileError as error:
                failure = error
            else:
                return Compiler(command, (*common_flags(), *machine, *own), macros)
    if failure is not None:
        raise failure
    names = compilers()
    raise CompileError(
        f"no C++ compiler ({', '.join(names)}) was found; install {' or '.join(names[-2:])}, "
        "or pip install 'nca-studio[compiler]'"
    )


def _run(command: Sequence[str]) -> str:
    """Run a compiler; give what it prints."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CompileError(f"{command[0]} failed: {error}") from error
    if done.returncode in INTERRUPTED:
        # Ctrl-C goes to all programs of a terminal. A training would take it after the batch only.
        raise KeyboardInterrupt
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if any(c in line for c in COMPLAINTS)), lines[-1])
        raise CompileError(f"{command[0]} failed: {reason}")
    return done.stdout
