"""Compile the C++ sources on first use, and keep the libraries in the user's cache folder.

A library that is compiled on the user's machine uses all instructions of that machine's processor,
and contains the sizes of a rule as constants. A prebuilt library in a wheel could do neither. If
two processes compile the same source at the same time, each process writes its own file and then
renames it, so that the library is correct whichever process is last.
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
    # Use one instruction for a * b + c, but keep the meaning of NaN and infinity.
    "-ffp-contract=fast",
    "-fno-signed-zeros",
    "-fno-trapping-math",
    "-fno-math-errno",
)
POSIX_FLAGS = ("-fPIC", "-pthread")  # on Windows, Clang rejects -fPIC
ZIG_FLAGS = ("-s",)  # without this flag, 90% of a library would be debug symbols
MACHINE_FLAGS = (("-march=native",), ("-mcpu=native",), ())
TIMEOUT_SECONDS = 300
# Exit codes of a compiler that Ctrl-C ended; the last one is used on Windows.
INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT, 0xC000013A)
COMPLAINTS = ("error", "fail", "No space", "not found")  # report the first line with one of these


class CompileError(RuntimeError):
    """A library cannot be compiled. The message is one line, and suggests a remedy if possible."""


Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


def cached_with_errors(function: Callable[[*Arguments], Result]) -> Callable[[*Arguments], Result]:
    """Cache results and errors by arguments, because even a failing compiler takes seconds."""

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
    """Load the library of a source file; compile it unless it is in the cache.

    Args:
        source: a C++ file; a change of any ``*.h`` file in its folder causes a new compilation.
        defines: values of macros, by name.
        extra_flags: additional flags for the compiler.
        symbols: symbols that the library must have.
        headers: another folder with ``*.h`` files that the source includes.

    Raises:
        CompileError: there is no compiler, or the compiler failed.
        KeyboardInterrupt: Ctrl-C stopped the compiler.
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
        warn_once("zig compiles the rule; the first time, also its C++ library: about a minute")
    try:
        # Windows cannot remove a library that is loaded.
        with tempfile.TemporaryDirectory(prefix="nca-", ignore_cleanup_errors=True) as folder:
            made = Path(folder) / f"{stem}{suffix()}"
            include = [f"-I{folder}" for folder in folders]
            _run([*compiler.command, *flags, *include, str(source), "-o", str(made)])
            if not made.exists() or not made.stat().st_size:
                raise CompileError(f"{compiler} reported success but wrote no library")
            return load_and_cache(made, stem, symbols)
    except AttributeError as error:
        raise CompileError(f"{compiler} made an incomplete library: {error}") from error
    except OSError as error:
        cure = f"; {EXECUTABLE}" if "failed to map segment" in str(error) else ""
        raise CompileError(f"cannot load the library made by {compiler}: {error}{cure}") from error


class Compiler(NamedTuple):
    """A C++ compiler, its flags on this machine, and its predefined macros.

    The macros include the compiler's version and the CPU's instruction sets. The command may have
    several words, such as ``ccache g++``.
    """

    command: tuple[str, ...]
    flags: tuple[str, ...]
    macros: str

    def __str__(self) -> str:
        return shlex.join(self.command)


def compilers() -> tuple[str, ...]:
    """Names of the compilers to look for, best first.

    GCC is not used on Windows, because there it stores wide vectors on the stack at unaligned
    addresses (GCC bug 54412), which makes the compiled library crash.
    """
    return ("clang++",) if sys.platform == "win32" else ("c++", "g++", "clang++")


def common_flags() -> tuple[str, ...]:
    """Flags for all compilers on this system."""
    return FLAGS if sys.platform == "win32" else (*FLAGS, *POSIX_FLAGS)


def _zig() -> list[tuple[str, ...]]:
    """Command of the compiler in the package ``ziglang``, if that package is installed."""
    found = importlib.util.find_spec("ziglang")
    folders = (found and found.submodule_search_locations) or ()
    program = "zig.exe" if sys.platform == "win32" else "zig"
    return [(str(path), "c++") for f in folders if (path := Path(f) / program).is_file()]


def _commands(wanted: str) -> list[tuple[str, ...]]:
    """Commands of the compilers to try: the requested compiler, or else all that are found."""
    if not wanted:
        paths = [path for path in map(shutil.which, compilers()) if path is not None]
        return [*((path,) for path in paths), *_zig()]
    try:
        words = shlex.split(wanted, posix=sys.platform != "win32")  # Windows paths have backslashes
    except ValueError as error:
        raise CompileError(f"CXX={wanted} is not a command: {error}") from error
    name, *arguments = (word.strip('"') for word in words)
    path = shutil.which(name)
    if path is None:
        raise CompileError(f"CXX={wanted}: {name!r} was not found; name a C++ compiler")
    return [(path, *arguments)]


@cached_with_errors
def find_compiler() -> Compiler:
    """Find a C++ compiler. The environment variable ``CXX``, if set, selects it.

    Raises:
        CompileError: there is no compiler.
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
    """Run a compiler; return its output."""
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
        # Ctrl-C also ends the compiler. Without this error, training would continue to the end of
        # the batch.
        raise KeyboardInterrupt
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if any(c in line for c in COMPLAINTS)), lines[-1])
        raise CompileError(f"{command[0]} failed: {reason}")
    return done.stdout
