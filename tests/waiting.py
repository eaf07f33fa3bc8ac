"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

PATIENCE = 90.0  # seconds; a test that passes does not depend on it


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is the case."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.03)
