"""Where batches come from: a position in the epoch that can be gone back to, and repetition."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Protocol, runtime_checkable

import torch

from nca.training.generators import generator_state, set_generator_state


@runtime_checkable
class Stateful(Protocol):
    """Something whose state goes into a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, lists and dicts of them."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take up what :meth:`state_dict` gave."""
        ...


class Batches:
    """The batches of an epoch, and how many of them are taken.

    An epoch that was left in the middle goes on there: the generators are set back to where they
    were when it began, so that a shuffled loader shuffles alike, the batches that were seen are
    skipped, and the generators are set forward again. A source that has a state of its own (such as
    a pool) is trusted to go on by itself.

    Args:
        source: the loader as it was made.
        prepared: what is gone through: the source, or the part of it that this process has.

    Attributes:
        taken: batches of the epoch that were handed out.
        ended: whether the source was asked for more and had none.
    """

    def __init__(self, source: Iterable[Any], prepared: Iterable[Any] | None = None) -> None:
        self.source = source
        self.prepared = source if prepared is None else prepared
        self.stateful = source if isinstance(source, Stateful) else None
        self.taken, self.ended = 0, False
        self._at_start: dict[str, Any] = {}

    def __len__(self) -> int:
        """Batches of an epoch.

        Raises:
            TypeError: the source does not tell.
        """
        return len(self.prepared)  # type: ignore[arg-type]

    @property
    def finished(self) -> bool:
        """Whether all batches are taken, as far as the source tells how many there are."""
        known = isinstance(self.prepared, Sized) and self.taken >= len(self.prepared)
        return known or self.ended

    def __iter__(self) -> Iterator[Any]:
        if self.ended:  # left while validating; a sampler may draw once more when it ends
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
            raise ValueError("an epoch has no batch; a source must be iterable again and again")
        self.ended = True

    def rewind(self) -> None:
        """Begin the next epoch."""
        self.taken, self.ended = 0, False

    def _generators(self) -> dict[str, Any]:
        own = [generator.get_state() for generator in generators_of(self.source)]
        return {"own": own, "global": generator_state()}

    def _set_generators(self, state: dict[str, Any]) -> None:
        for generator, its_state in zip(generators_of(self.source), state["own"], strict=True):
            generator.set_state(its_state)
        set_generator_state(state["global"])

    def state_dict(self) -> dict[str, Any]:
        """The position, and the generators as they were when the epoch began and as they are."""
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
    """Find the generators that a loader shuffles by, its own and its samplers', each once."""
    if isinstance(source, Repeated):
        return generators_of(source.batches)
    sampler = getattr(source, "sampler", None)
    batched = getattr(getattr(source, "batch_sampler", None), "sampler", None)
    own = [getattr(part, "generator", None) for part in (source, sampler, batched)]
    unique = {id(part): part for part in own if isinstance(part, torch.Generator)}
    return list(unique.values())


class Repeated:
    """Every batch several times in a row: for data that are slow to load.

    The lesson's ``MultDL`` repeated noised batches with the noise they had. Here it is drawn anew.

    Args:
        batches: the batches.
        times: how often each is given.
        renew: ``renew(batch)`` -> batch; draws anew what is random in it, every time.

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
