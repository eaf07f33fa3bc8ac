"""Clean up after tests of exporters."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _collect() -> Iterator[None]:
    """Collect objects of wgpu, for which a forked process would wait forever."""
    yield
    gc.collect()
