import random

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from nca.training.batches import Batches, Repeated, generators_of
from nca.training.generators import generator_state, seed_generators, set_generator_state


def noisy(images: list[tuple[Tensor]]) -> Tensor:
    x = torch.stack([image for (image,) in images])
    return x + torch.rand(len(x))


def shuffled(seed: int | None = 3, workers: int = 0) -> DataLoader:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    data = TensorDataset(torch.arange(12.0))
    return DataLoader(
        data, 2, shuffle=True, generator=generator, collate_fn=noisy, num_workers=workers
    )


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("stop", [1, 4, 6, 8])
def test_an_epoch_goes_on_where_it_was_left(seed: int | None, stop: int) -> None:
    """Other code draws in between, as dropout does."""

    def go(batches: Batches, count: int) -> list[Tensor]:
        seen: list[Tensor] = []
        while len(seen) < count:
            for batch in batches:
                torch.rand(5)
                seen.append(batch)
                if len(seen) == count:
                    return seen
            batches.rewind()
        return seen

    torch.manual_seed(0)
    whole = go(Batches(shuffled(seed)), 14)
    torch.manual_seed(0)
    first = Batches(shuffled(seed))
    go(first, stop)
    state, generators = first.state_dict(), generator_state()
    torch.manual_seed(77)
    second = Batches(shuffled(seed))
    second.load_state_dict(state)
    set_generator_state(generators)
    for mine, theirs in zip(go(second, 14 - stop), whole[stop:], strict=True):
        assert torch.equal(mine, theirs)


def test_the_end_is_known_of_what_has_a_length() -> None:
    batches = Batches(range(3))
    seen = iter(batches)
    for done in (False, False, True):
        next(seen)
        assert batches.finished is done
    batches.rewind()
    assert not batches.finished
    assert list(batches) == [0, 1, 2]
    assert list(batches) == []  # the epoch is over until it is rewound


def test_each_generator_of_a_loader_is_found_once() -> None:
    loader = shuffled()
    assert generators_of(loader) == [loader.generator]
    assert generators_of(Repeated(loader, 2)) == [loader.generator]
    assert generators_of(range(3)) == []


def test_repeated_batches_have_fresh_noise() -> None:
    clean = DataLoader(TensorDataset(torch.arange(4.0)), 2)
    repeated = Repeated(clean, 3, lambda batch: (batch[0], torch.rand(2)))
    assert len(repeated) == 6
    torch.manual_seed(0)
    seen = list(repeated)
    assert [x.tolist() for x, _ in seen] == [[0.0, 1.0]] * 3 + [[2.0, 3.0]] * 3
    noises = {tuple(noise.tolist()) for _, noise in seen}
    assert len(noises) == 6, "the noise of a batch came again"
    torch.manual_seed(0)
    again = [noise.tolist() for _, noise in repeated]
    assert again == [noise.tolist() for _, noise in seen]


def test_batches_are_repeated_once_or_more() -> None:
    with pytest.raises(ValueError, match="times must be 1 or more, not 0"):
        Repeated([], 0)


def test_generators_come_back() -> None:
    seed_generators(4)
    state = generator_state()
    first = random.random(), torch.rand(3).tolist()
    set_generator_state(state)
    assert (random.random(), torch.rand(3).tolist()) == first
    seed_generators(4)
    assert (random.random(), torch.rand(3).tolist()) == first
