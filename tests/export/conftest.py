"""What the tests of exporters leave behind."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _collect() -> Iterator[None]:
    """Collect objects of wgpu: a forked process that does it waits for a lock for ever."""
    yield
    gc.collect()
