"""Compile a C++ source of ours at first use and keep the library in the user's cache folder.

A library that is made on the machine it runs on uses all of that machine's instructions and has
the sizes of one rule built in; a wheel could have neither. Two processes may compile the same
source at once: each writes a file of its own and renames it, and either result is right.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

COMPILERS = ("c++", "g++", "clang++")
FLAGS = (
    "-std=c++17",
    "-O3",
    "-shared",
    "-fPIC",
    "-pthread",
    "-w",
    # a * b + c in one instruction; NaN and infinity keep their meaning.
    "-ffp-contract=fast",
    "-fno-signed-zeros",
    "-fno-trapping-math",
    "-fno-math-errno",
)
MACHINE_FLAGS = (("-march=native",), ("-mcpu=native",), ())
TIMEOUT_SECONDS = 300


class CompileError(RuntimeError):
    """There is no compiler, or it did not make a library. The text is one line."""


def load_library(
    source: Path, defines: dict[str, str], extra_flags: Sequence[str] = ()
) -> ctypes.CDLL:
    """Load the library of a source, compiled now unless the cache holds it.

    Args:
        source: a C++ file; its folder's ``*.h`` files belong to it.
        defines: macros, name to value.
        extra_flags: for the compiler, after our own.

    Raises:
        CompileError: no compiler, or it failed.
    """
    compiler = find_compiler()
    flags = [*FLAGS, *compiler.flags, *(f"-D{k}={v}" for k, v in defines.items()), *extra_flags]
    parts = [source, *sorted(source.parent.glob("*.h"))]
    key = hashlib.sha256("\0".join([compiler.path, compiler.macros, *flags]).encode())
    for part in parts:
        key.update(part.read_bytes())
    library = cache_folder() / f"{source.stem}-{key.hexdigest()[:24]}.so"
    if not library.exists():
        _compile([compiler.path, *flags, str(source)], library)
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise CompileError(f"cannot load {library}: {error}") from error


class Compiler(NamedTuple):
    """A C++ compiler, the flags for this machine, and all macros that it has then.

    The macros tell its version and the CPU's instructions.
    """

    path: str
    flags: tuple[str, ...]
    macros: str


@cache
def find_compiler() -> Compiler:
    """Find a C++ compiler. ``CXX`` in the environment names one.

    Raises:
        CompileError: there is none.
    """
    wanted = os.environ.get("CXX")
    names = (wanted,) if wanted else COMPILERS
    for path in filter(None, map(shutil.which, names)):
        for flags in MACHINE_FLAGS:
            command = [path, *flags, "-dM", "-E", "-x", "c++", os.devnull]
            try:
                result = subprocess.run(
                    command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
                )
            except (OSError, subprocess.SubprocessError):
                continue
            return Compiler(path, flags, result.stdout)
    raise CompileError(f"no C++ compiler ({', '.join(names)}) was found")


def cache_folder() -> Path:
    """Folder of compiled libraries, made if need be; a private temporary one if it cannot be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "nca"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid()
    except OSError:
        usable = False
    # What lies here is run: a folder of another user will not do.
    return folder if usable else _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="nca-"))


def _compile(command: list[str], library: Path) -> None:
    handle, temporary = tempfile.mkstemp(dir=library.parent, prefix=f".{library.name}.")
    os.close(handle)
    try:
        subprocess.run(
            [*command, "-o", temporary],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
        Path(temporary).replace(library)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[-1])
        raise CompileError(f"{command[0]} failed: {reason}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise CompileError(f"{command[0]} failed: {error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
