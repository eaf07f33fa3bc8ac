"""Signals that end a command: SIGTERM, SIGHUP and, on Windows, SIGBREAK act like Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is sent when a Windows console is closed
TERMINATION: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in NAMES if hasattr(signal, name)
)


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM or SIGHUP; code that handles Ctrl-C also handles this exception.

    Attributes:
        signum: signal number; the command's exit code is this plus 128.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def raise_on_termination() -> None:
    """Make SIGTERM and SIGHUP raise :class:`Terminated` in the main thread, once.

    Further signals are ignored, so that they do not interrupt the code that saves and cleans up; a
    terminal that closes sends SIGHUP twice. A signal that was already ignored, like SIGHUP under
    ``nohup``, stays ignored.
    """
    for signum in TERMINATION:
        if signal.getsignal(signum) == signal.SIG_DFL:
            signal.signal(signum, _terminate)


def ignore_termination() -> None:
    """Ignore Ctrl-C, SIGTERM and SIGHUP in a worker process; its parent process will end it."""
    for signum in (signal.SIGINT, *TERMINATION):
        signal.signal(signum, signal.SIG_IGN)


class HeldSignals:
    """Delays the handling of signals that would end a command.

    A second Ctrl-C takes effect at once; further signals of other kinds have no effect. SIGTERM and
    SIGHUP are held back only after :func:`raise_on_termination` has been called.

    Attributes:
        signum: number of the first signal held back; 0: none so far.
    """

    def __init__(self) -> None:
        self.signum = 0
        self._handlers: dict[int, Any] = {}

    def hold(self) -> None:
        """Start holding back signals, if this is the main thread; other threads get no signals."""
        self.signum = 0
        if threading.current_thread() is not threading.main_thread():
            return
        ours = [signum for signum in TERMINATION if signal.getsignal(signum) is _terminate]
        for signum in (signal.SIGINT, *ours):
            self._handlers[signum] = signal.signal(signum, self._note)

    def release(self) -> None:
        """Restore the handlers of all held signals."""
        ending = self.signum in TERMINATION
        for signum, handler in self._handlers.items():
            ignored = ending and signum in TERMINATION
            signal.signal(signum, signal.SIG_IGN if ignored else handler)
        self._handlers = {}

    def _note(self, signum: int, _: object) -> None:
        if not self.signum:
            self.signum = signum
        elif signum == signal.SIGINT:  # the second one is urgent
            raise KeyboardInterrupt


def interruption(signum: int) -> KeyboardInterrupt:
    """Make the exception for a signal."""
    return Terminated(signum) if signum in TERMINATION else KeyboardInterrupt()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP until the block ends; a second Ctrl-C ends it at once.

    Raises:
        KeyboardInterrupt: a signal was held back.
    """
    signals = HeldSignals()
    signals.hold()
    try:
        yield
    finally:
        signals.release()
    if signals.signum:
        raise interruption(signals.signum)


def _terminate(signum: int, _: object) -> None:
    for other in TERMINATION:
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(signum)
