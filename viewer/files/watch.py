"""Watch rule files for changes."""

import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nca.errors import explain
from nca.rule import Rule
from nca.rulefile import load_rule
from nca.system.processes import own_process_group
from nca.viewer.speed import Clock

INTERVAL = 0.25  # seconds between two checks of the files

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class Change:
    """A changed rule file: its new rule and states, or the reason why it cannot be read."""

    number: int
    rule: Rule | None
    trouble: str = ""
    states: Tensor | None = None


class Watcher:
    """Finds changes of rule files.

    It detects files that are rewritten and files that are replaced, by time, size and inode.
    """

    def __init__(self, paths: Sequence[Path], clock: Clock = time.monotonic) -> None:
        self._paths, self._clock = list(paths), clock
        self._stamps = [_stamp(path) for path in paths]
        self._next_look = clock()

    def add(self, path: Path) -> None:
        """Watch another file."""
        self._paths.append(path)
        self._stamps.append(_stamp(path))

    def poll(self) -> list[Change]:
        """Changes since the last call; fast enough to be called in every frame."""
        now = self._clock()
        if now < self._next_look:
            return []
        self._next_look = now + INTERVAL
        changes = []
        for number, path in enumerate(self._paths):
            stamp = _stamp(path)
            if stamp is None or stamp == self._stamps[number]:
                continue
            self._stamps[number] = stamp
            try:
                file = load_rule(path)
                changes.append(Change(number, file.rule, states=file.states))
            except Exception as error:  # the file may hold anything; keep the current rule
                changes.append(Change(number, None, explain(error)))
        return changes


def start_beside(rule: Path) -> subprocess.Popen[bytes]:
    """Open a viewer in a separate process, for the rule file of a training run.

    The viewer has its own session, so it stays open when the training ends, even by Ctrl-C.
    """
    command = [sys.executable, "-m", "nca", "view", str(rule), "--wait"]
    return subprocess.Popen(command, **own_process_group())


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):  # reading a pipe could block
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
