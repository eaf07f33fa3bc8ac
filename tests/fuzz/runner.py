"""Runs the cases of a reader in forked processes, and records everything a reader must not do.

By hand, from the root of the repository: ``python -m tests.fuzz.runner READER SEED FIRST COUNT``
prints a line of JSON for each failing case. A seed and a number always make the same case.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import groupby
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn

from nca.errors import InputError, one_line

ROOT = Path(__file__).parents[2]
TABLE = "tests.fuzz.readers"
CPU_SECONDS = 10.0  # of a case: time of the processor, which other programs do not change
WALL_SECONDS = 120.0  # of a case that waits
MORE_BYTES = 10**9  # than before the case
ADDRESSES = 8 * 2**30  # room for a process, so that no case takes the machine down
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.remove", "os.rename",
             "socket.connect")  # fmt: skip
Files = dict[str, bytes]  # contents by name
Outcome = tuple[str, str]  # what was wrong, and where; empty if nothing was


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        files: makes valid files by name; a case damages one of them.
        mutate: damages it.
        read: reads it; text that it returns is shown to users.
        beside: makes files that lie beside it.
    """

    files: Callable[[], Files]
    mutate: Callable[[random.Random, bytes], bytes]
    read: Callable[[Path], object]
    beside: Callable[[], Files] = field(default=dict)


@dataclass(frozen=True)
class Failure:
    """A case with a wrong outcome.

    Attributes:
        number: number of the case.
        what: what went wrong.
        where: place in the program.
        file: the damaged file, kept.
    """

    number: int
    what: str
    where: str
    file: str


def run(
    name: str, seed: int, numbers: range, folder: Path, *, table: str = TABLE,
    cpu_seconds: float = CPU_SECONDS,
) -> list[Failure]:  # fmt: skip
    """Run cases in a separate process, which keeps the files of failing ones in a folder."""
    words = [name, seed, numbers.start, len(numbers), folder, table, cpu_seconds]
    command = [sys.executable, "-m", "tests.fuzz.runner", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [Failure(**json.loads(line)) for line in done.stdout.splitlines()]


def amount() -> tuple[int, int]:
    """Seed and number of cases of a reader, which the environment may set."""
    return int(os.environ.get("FUZZ_SEED", "0")), int(os.environ.get("FUZZ_CASES", "50"))


def report(name: str, seed: int, failures: Sequence[Failure]) -> str:
    """Each kind of failure once, with its cases and the damaged file of the first."""

    def kind(failure: Failure) -> Outcome:
        return failure.what.partition(":")[0], failure.where

    lines = [f"{len(failures)} cases of {name!r} with seed {seed} fail"]
    for (_, where), group in groupby(sorted(failures, key=kind), kind):
        first, *others = group
        numbers = ", ".join(str(failure.number) for failure in [first, *others][:20])
        lines += [f"  {first.what} [{where}]: cases {numbers}", f"    {first.file}"]
    return "\n".join(lines)


class Cases:
    """The cases of a reader.

    Args:
        name: name of the reader.
        seed: seed of the damage.
        table: module that has the ``READERS``.
        cpu_seconds: limit of a case.
    """

    def __init__(
        self, name: str, seed: int, table: str = TABLE, cpu_seconds: float = CPU_SECONDS
    ) -> None:
        self.name, self.seed, self.cpu_seconds = name, seed, cpu_seconds
        self.reader = import_module(table).READERS[name]
        self.files, self.beside = sorted(self.reader.files().items()), self.reader.beside()

    def damaged(self, number: int) -> tuple[str, bytes]:
        """Name and contents of the file of a case."""
        rng = random.Random(f"{self.name} {self.seed} {number}")
        name, data = rng.choice(self.files)
        return name, self.reader.mutate(rng, data)

    def keep(self, number: int, folder: Path) -> str:
        """Write the file of a case; give its path."""
        name, data = self.damaged(number)
        path = folder / f"{self.name}-{self.seed}-{number}-{name}"
        path.write_bytes(data)
        return str(path)

    def check_files(self) -> None:
        """Read undamaged files, which also fills caches.

        Raises:
            InputError: all files are refused. Some may be, such as an unsupported kind of image.
        """
        refusals = []
        for name, data in self.files:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    self.reader.read(self._lay(Path(folder), name, data))
                except InputError as error:
                    refusals.append(error)
        if len(refusals) == len(self.files):
            raise refusals[0]

    def failures(self, numbers: range, folder: Path) -> Iterator[Failure]:
        """Those of some cases; a new process goes on after a case that ended the one before."""
        number = numbers.start
        while number < numbers.stop:
            for what, where in self._forked(range(number, numbers.stop)):
                if what:
                    yield Failure(number, what, where, self.keep(number, folder))
                number += 1

    def _forked(self, numbers: range) -> Iterator[Outcome]:
        """Outcomes of the first cases, up to the one that ends the process."""
        receiver, sender = Pipe(duplex=False)
        child = os.fork()
        if not child:
            self._judge_all(numbers, sender)
        sender.close()
        with receiver:
            for _ in numbers:
                try:
                    if not receiver.poll(WALL_SECONDS):
                        os.kill(child, signal.SIGKILL)
                    yield receiver.recv()
                except EOFError:
                    break
        _, status = os.waitpid(child, 0)
        if status:
            yield f"ended by {_cause(os.waitstatus_to_exitcode(status))}", ""

    def _judge_all(self, numbers: range, sender: Connection) -> NoReturn:
        watch = Watch()
        soft = status("VmSize") + ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
        try:
            for number in numbers:
                name, data = self.damaged(number)
                with tempfile.TemporaryDirectory() as folder:
                    sender.send(self._judge(self._lay(Path(folder), name, data), watch))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _lay(self, folder: Path, name: str, data: bytes) -> Path:
        for other, contents in {**self.beside, name: data}.items():
            (folder / other).write_bytes(contents)
        return folder / name

    def _judge(self, path: Path, watch: "Watch") -> Outcome:
        forget_peak()
        before, files = status("VmRSS"), set(path.parent.iterdir())
        signal.setitimer(signal.ITIMER_PROF, self.cpu_seconds)  # its signal ends the process
        try:
            with watch, warnings.catch_warnings(record=True, action="always") as warned:
                shown = self.reader.read(path)
        except InputError as error:
            shown = one_line(error)
        except BaseException as error:
            return f"{type(error).__name__}: {str(error)[:200]}", _where(error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        more = status("VmHWM") - before
        if more > MORE_BYTES:
            return "more than 1 GB of memory", ""
        if watch.deeds or set(path.parent.iterdir()) != files:
            return next(iter(watch.deeds), "other files are there"), ""
        if warned:
            return f"a warning is shown: {warned[0].message}", f"{Path(warned[0].filename).name}"
        if isinstance(shown, str) and any(map(_is_control, shown.replace("\n", ""))):
            return f"control characters are shown: {shown[:200]!r}", ""
        return "", ""


class Watch:
    """Records what is written, started or connected to while it is entered."""

    def __init__(self) -> None:
        self.deeds: list[str] = []
        self._on = False
        sys.addaudithook(self._note)

    def __enter__(self) -> None:
        self.deeds, self._on = [], True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and (arguments[2] or 0) & WRITING
        makes = event == "os.mkdir" and not Path(arguments[0]).exists()
        if self._on and (writes or makes or event in FORBIDDEN):
            self.deeds.append(f"{event}: {arguments[0]!r}"[:200])


def forget_peak(process: int | str = "self") -> None:
    """From here on the peak of a process's memory is counted."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def status(name: str, process: int | str = "self") -> int:
    """A size from a process's status, in bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(value)


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs")


def _cause(code: int) -> str:
    if code == -signal.SIGPROF:
        return "the limit of processor time"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _where(error: BaseException) -> str:
    """The program's innermost line, and the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(Path(frame.filename))]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-1:], frames[-1])]
    return " < ".join(dict.fromkeys(places))


def _is_ours(file: Path) -> bool:
    elsewhere = {"site-packages", "tests"} & set(file.parts)
    return file.is_relative_to(ROOT) and not elsewhere


def main(words: Sequence[str]) -> None:
    """Run the cases of the command line."""
    name, seed, first, count, *rest = words
    # One thread, as processes are forked; no compiler, as `nca info` would compile for each rule.
    os.environ |= {"OMP_NUM_THREADS": "1", "CXX": "no-compiler"}
    folder, table, cpu_seconds = rest or (tempfile.gettempdir(), TABLE, CPU_SECONDS)
    cases = Cases(name, int(seed), table, float(cpu_seconds))
    cases.check_files()
    for failure in cases.failures(range(int(first), int(first) + int(count)), Path(folder)):
        print(json.dumps(asdict(failure)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
