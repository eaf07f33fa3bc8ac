"""The number of threads is the fastest one, and torch's is restored."""

from collections.abc import Callable, Iterator

import pytest
import torch

from nca.system.threads import INTERVAL, ThreadCount, fastest, torch_threads


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advances its own clock: on a busy machine real sleeps take any time."""
    now = [0.0]
    monkeypatch.setattr("nca.system.threads.time.perf_counter", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return sleep


def test_more_threads_only_where_they_pay(sleep: Callable[[float], None]) -> None:
    assert fastest(4, lambda threads: sleep(4 / threads)) == 4
    assert fastest(4, lambda _: sleep(1)) == 1
    assert fastest(4, lambda threads: sleep(4 - 0.1 * threads)) == 1
    assert fastest(4, lambda threads: sleep({1: 4, 2: 1, 4: 4}[threads])) == 2


def test_torch_uses_as_many_threads_as_a_trial_is_fastest_with(
    sleep: Callable[[float], None],
) -> None:
    torch.set_num_threads(2)
    tried = []

    def work() -> None:
        tried.append(torch.get_num_threads())
        sleep(4 / torch.get_num_threads())

    with torch_threads(work):
        assert torch.get_num_threads() == 2
    assert set(tried) == {1, 2}
    with torch_threads(lambda: sleep(1)):
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


def test_a_number_of_threads_holds_for_a_while(
    sleep: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("nca.system.threads.time.monotonic", lambda: now[0])
    monkeypatch.setattr("nca.system.threads.usable_cpus", lambda: 2)
    torch.set_num_threads(2)
    count = ThreadCount()
    assert count(8, lambda threads: sleep(1 / threads)) == 2
    assert count(1, lambda _: 1 / 0) == 1
    assert count(8, lambda _: 1 / 0) == 2  # not tried
    now[0] += INTERVAL
    assert count(8, lambda _: sleep(1)) == 1


def test_a_trial_of_large_work_is_short(sleep: Callable[[float], None]) -> None:
    runs: list[int] = []

    def work(threads: int) -> None:
        runs.append(threads)
        sleep(10 / threads)

    assert fastest(2, work) == 2
    assert runs == [1, 2]
