"""Small results of a GPU, read later."""

import pytest
import torch

from nca.texture.delayed import DELAY, Delayed

on_gpu_only = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def test_from_a_cpu_they_are_there_at_once() -> None:
    values = Delayed().read(torch.tensor(3), torch.tensor([1, 2]))
    assert values is not None
    assert [value.tolist() for value in values] == [3, [1, 2]]


@on_gpu_only
def test_from_a_gpu_they_come_in_order() -> None:
    delayed = Delayed()
    read = [delayed.read(torch.tensor(i, device="cuda")) for i in range(DELAY + 3)]
    assert read[:DELAY] == [None] * DELAY
    assert [int(values[0]) for values in read[DELAY:]] == [0, 1, 2]
