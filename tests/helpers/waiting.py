"""Wait for other processes or threads."""

import signal
import time
from collections.abc import Callable

# Seconds. The result of a passing test does not depend on it. On a busy machine, Chromium may not
# run for a minute.
PATIENCE = 180.0

# Under nohup or in the background of a script, this process ignores some of these signals, and so
# do its children.
ENDING_SIGNALS = [
    each
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if signal.getsignal(each) != signal.SIG_IGN
]


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.03)
