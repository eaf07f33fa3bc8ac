"""Readers of damaged files fail with one line, and without using many resources."""

from pathlib import Path

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.runner import amount, report, run


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    seed, cases = amount()
    failures = run(name, seed, range(cases), tmp_path)
    again = f"\nagain: python -m tests.fuzz.runner {name} {seed} NUMBER 1"
    assert not failures, report(name, seed, failures) + again
