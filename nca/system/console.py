"""Write to the terminal, even if it is closed or cannot show all characters."""

import io
import os
import sys
from typing import Any, TextIO

from tqdm import tqdm


def say(text: str) -> None:
    """Write a line to standard error without breaking a progress bar."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


def prepare_console() -> None:
    """Make standard output and standard error usable.

    A closed stream is replaced by the null device. Characters that cannot be shown are escaped.
    After this call, writing to standard error never fails: training must continue even if its
    terminal is closed or the disk with its log file is full.
    """
    _open_closed_files()
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Leave replaced streams alone: a test may read them.
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _lenient(sys.stderr)


def flush_output() -> None:
    """Flush the buffer of standard output.

    Raises:
        OSError: the buffer could not be written; Python will not try again when it exits.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _open_closed_files() -> None:
    """Open descriptors 0 to 2 if they are closed, so that no other file gets one of them."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _lenient(stream: io.TextIOWrapper) -> TextIO:
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # an unbuffered stream has no `raw`
    return io.TextIOWrapper(
        io.BufferedWriter(_Lenient(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )


class _Lenient(io.RawIOBase):
    """Wraps a file and ignores its write errors."""

    def __init__(self, below: Any) -> None:
        self._below = below

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            written: int = self._below.write(data)
        except OSError:
            return len(data)
        return written

    def fileno(self) -> int:
        number: int = self._below.fileno()
        return number

    def isatty(self) -> bool:
        terminal: bool = self._below.isatty()
        return terminal
