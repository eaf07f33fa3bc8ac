"""The runner detects each kind of fault, in readers that have one each."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from nca.errors import InputError
from tests.fuzz.runner import Cases, Reader, report, run


def refuse(path: Path) -> None:
    raise InputError(f"{path}: not a usable\nfile")


def spin(path: Path) -> None:
    while True:
        pass


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: "two\nlines", ""),
    "refusal": (refuse, ""),
    "another error": (lambda path: 1 / 0, "ZeroDivisionError: division by zero"),
    "exit": (lambda path: sys.exit(3), "SystemExit: 3"),
    "crash": (lambda path: os.kill(os.getpid(), signal.SIGSEGV), "ended by SIGSEGV"),
    "hang": (spin, "ended by the limit of processor time"),
    "memory": (lambda path: len(b"1" * (11 * 10**8)), "more than 1 GB of memory"),
    "more addresses": (lambda path: bytes(10**11), "MemoryError: "),
    "writing": (lambda path: path.with_name("more").write_text("x"), "open: "),
    "program": (lambda path: subprocess.run(["true"], check=True), "subprocess.Popen: 'true'"),
    "warning": (lambda path: warnings.warn("look", stacklevel=1), "a warning is shown: look"),
    "escape": (lambda path: "\x1b[2J", "control characters are shown"),
}
BAD = 128  # a first byte from here on


def sometimes(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: read(path) if path.read_bytes()[0] >= BAD else None


READERS = {
    name: Reader(lambda: {"a": b"good"}, lambda rng, data: rng.randbytes(8), sometimes(read))
    for name, (read, _) in FAULTS.items()
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_case_with_a_fault_is_found_and_kept(name: str, tmp_path: Path) -> None:
    numbers, expected = range(3, 9), FAULTS[name][1]
    # On a busy machine, the system needs seconds to provide 1 GB of memory.
    seconds = 1 if name == "hang" else 60
    failures = run(name, 0, numbers, tmp_path, table=__name__, cpu_seconds=seconds)
    cases = Cases(name, 0, __name__)
    bad = [number for number in numbers if cases.damaged(number)[1][0] >= BAD]
    assert 0 < len(bad) < len(numbers)
    assert [failure.number for failure in failures] == (bad if expected else [])
    for failure in failures:
        assert failure.what.startswith(expected)
        assert Path(failure.file).read_bytes() == cases.damaged(failure.number)[1]
    assert len(list(tmp_path.iterdir())) == len(failures)
    if failures:
        assert len(report(name, 0, failures).splitlines()) == 3


def test_something_that_is_not_damaged_must_be_read() -> None:
    for name, read in (("strict", refuse), ("choosy", sometimes(refuse))):
        READERS[name] = Reader(
            lambda: {"a": b"good", "b": bytes([BAD])}, lambda rng, data: data, read
        )
    Cases("choosy", 0, __name__).check_files()
    with pytest.raises(InputError):
        Cases("strict", 0, __name__).check_files()
