"""Batches that can be resumed within an epoch, and repeated batches."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Protocol, runtime_checkable

import torch

from nca.training.generators import generator_state, set_generator_state


@runtime_checkable
class Stateful(Protocol):
    """An object whose state goes into a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors, numbers and strings, and lists and dicts of these."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Restore what :meth:`state_dict` returned."""
        ...


class Batches:
    """The batches of an epoch, and how many of them have been used.

    An interrupted epoch continues where it stopped. First, the random generators are reset to their
    states at the start of the epoch, so that a loader shuffles in the same way. Then the batches
    that have already been used are skipped, and the generators get their current states back. A
    source with a state of its own, such as a pool, must continue from that state by itself.

    Args:
        source: the original loader.
        prepared: the part of the source that this process iterates over; default: the whole source.

    Attributes:
        taken: number of batches used in this epoch.
        ended: whether the source has no more batches.
    """

    def __init__(self, source: Iterable[Any], prepared: Iterable[Any] | None = None) -> None:
        self.source = source
        self.prepared = source if prepared is None else prepared
        self.stateful = source if isinstance(source, Stateful) else None
        self.taken, self.ended = 0, False
        self._at_start: dict[str, Any] = {}

    def __len__(self) -> int:
        """Number of batches in an epoch.

        Raises:
            TypeError: the source has no length.
        """
        return len(self.prepared)  # type: ignore[arg-type]

    @property
    def finished(self) -> bool:
        """Whether all batches are known to have been used."""
        known = isinstance(self.prepared, Sized) and self.taken >= len(self.prepared)
        return known or self.ended

    def __iter__(self) -> Iterator[Any]:
        if self.ended:  # stopped during a validation; iterating again could make a sampler draw
            return
        now = self._generators()
        if self.taken == 0 or self.stateful is not None:
            self._at_start = now
            iterator = iter(self.prepared)
        else:
            self._set_generators(self._at_start)
            iterator = iter(self.prepared)
            for _ in range(self.taken):
                next(iterator, None)
            self._set_generators(now)
        for batch in iterator:
            self.taken += 1
            yield batch
        if self.taken == 0:
            raise ValueError("an epoch has no batches; the source must be iterable more than once")
        self.ended = True

    def rewind(self) -> None:
        """Start the next epoch."""
        self.taken, self.ended = 0, False

    def _generators(self) -> dict[str, Any]:
        own = [generator.get_state() for generator in generators_of(self.source)]
        return {"own": own, "global": generator_state()}

    def _set_generators(self, state: dict[str, Any]) -> None:
        for generator, its_state in zip(generators_of(self.source), state["own"], strict=True):
            generator.set_state(its_state)
        set_generator_state(state["global"])

    def state_dict(self) -> dict[str, Any]:
        """Return the position, and the generators' states at the start of the epoch and now."""
        position = {"taken": self.taken, "ended": self.ended}
        if self.stateful is not None:
            return position | {"source": self.stateful.state_dict()}
        own = [generator.get_state() for generator in generators_of(self.source)]
        return position | {"at_start": self._at_start, "own": own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.taken, self.ended = state["taken"], state["ended"]
        if self.stateful is not None:
            self.stateful.load_state_dict(state["source"])
            return
        self._at_start = state["at_start"]
        for generator, its_state in zip(generators_of(self.source), state["own"], strict=True):
            generator.set_state(its_state)


def generators_of(source: Any) -> list[torch.Generator]:
    """Find the distinct generators that a loader and its samplers shuffle with."""
    if isinstance(source, Repeated):
        return generators_of(source.batches)
    sampler = getattr(source, "sampler", None)
    batched = getattr(getattr(source, "batch_sampler", None), "sampler", None)
    own = [getattr(part, "generator", None) for part in (source, sampler, batched)]
    unique = {id(part): part for part in own if isinstance(part, torch.Generator)}
    return list(unique.values())


class Repeated:
    """Repeats every batch several times, for data that is slow to load.

    ``MultDL`` in the fast.ai lesson repeats noised batches with the same noise. Here, ``renew`` can
    draw new noise.

    Args:
        batches: the batches.
        times: number of times that each batch is used.
        renew: ``renew(batch)`` -> batch; draws new random values for each use of a batch; default:
            returns the batch unchanged.

    Raises:
        ValueError: ``times`` is below 1.
    """

    def __init__(
        self, batches: Iterable[Any], times: int, renew: Callable[[Any], Any] = lambda batch: batch
    ) -> None:
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        self.batches, self.times, self.renew = batches, times, renew

    def __len__(self) -> int:
        return self.times * len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            for _ in range(self.times):
                yield self.renew(batch)
