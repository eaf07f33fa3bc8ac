"""Loss terms as CUDA graphs: thousands of small kernels without the time between them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nca.losses.term import Sum, Term, Weighted


def graphed(term: Term) -> Term:
    """The same term, of which whatever draws no random numbers is recorded and replayed."""
    if isinstance(term, Sum):
        return Sum(*map(graphed, term.terms))
    if isinstance(term, Weighted):
        return Weighted(term.weight, graphed(term.term))
    return term if term.random else Graphed(term)


class Graphed(Term):
    """A term whose forward and backward pass are recorded once per size of the images.

    Images that are not on a GPU, or need no gradient, go through the term itself.

    Args:
        term: always the same function of the images.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self._names: list[str] = []
        self._recordings: dict[tuple[object, ...], Callable[[Tensor], Tensor]] = {}

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """See :class:`Term`."""
        if not images.is_cuda or not torch.is_grad_enabled() or not images.requires_grad:
            return self.term(images)
        precision = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        key = (images.shape, images.dtype, *precision)
        if key not in self._recordings:
            self._recordings[key] = self._record(images, *precision)
        values = self._recordings[key](images).clone()  # the next replay writes to the same memory
        return dict(zip(self._names, values.unbind(), strict=True))

    def _record(
        self, images: Tensor, autocast: bool, dtype: torch.dtype
    ) -> Callable[[Tensor], Tensor]:
        sample = torch.rand_like(images).requires_grad_(True)
        # Casts of weights must be recorded too, not found in autocast's cache.
        with torch.autocast("cuda", dtype, enabled=autocast, cache_enabled=False):
            recording: Any = torch.cuda.make_graphed_callables(self._stacked, (sample,))
        made: Callable[[Tensor], Tensor] = recording
        return made

    def _stacked(self, images: Tensor) -> Tensor:
        values = self.term(images)
        self._names = list(values)
        return torch.stack(list(values.values()))

    def __repr__(self) -> str:
        return repr(self.term)
