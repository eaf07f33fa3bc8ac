"""What must not be interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager

from nca.signals import HeldSignals, interruption


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP until the block is done; a second Ctrl-C ends it.

    Raises:
        KeyboardInterrupt: one of them has come.
    """
    signals = HeldSignals()
    signals.hold()
    try:
        yield
    finally:
        signals.release()
    if signals.signum:
        raise interruption(signals.signum)
