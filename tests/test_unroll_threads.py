"""The number of threads is what was fastest, and torch's is put back."""

import time
from collections.abc import Iterator

import pytest
import torch

from nca.unroll.threads import fastest, torch_threads


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_more_threads_only_where_they_pay() -> None:
    assert fastest(4, lambda threads: time.sleep(0.04 / threads)) == 4
    assert fastest(4, lambda _: time.sleep(0.01)) == 1
    assert fastest(4, lambda threads: time.sleep({1: 0.04, 2: 0.01, 4: 0.04}[threads])) == 2


def test_torch_uses_as_many_threads_as_a_trial_is_fastest_with() -> None:
    torch.set_num_threads(2)
    tried = []

    def work() -> None:
        tried.append(torch.get_num_threads())
        time.sleep(0.04 / torch.get_num_threads())

    with torch_threads(work):
        assert torch.get_num_threads() == 2
    assert set(tried) == {1, 2}
    with torch_threads(lambda: time.sleep(0.01)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_without_a_trial_it_is_one_thread_and_a_failure_changes_nothing() -> None:
    torch.set_num_threads(2)
    with torch_threads(None):
        assert torch.get_num_threads() == 1
    for work in (None, lambda: 1 / 0):
        with pytest.raises(ZeroDivisionError), torch_threads(work):
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
