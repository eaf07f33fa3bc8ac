"""Record loss terms as CUDA graphs, which run thousands of small kernels without idle gaps."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nca.losses.term import Sum, Term, Weighted
from nca.system.recording import warm_up

WARM_UPS = 2  # libraries try out several kernels before they settle on one


def with_graphs(term: Term) -> Term:
    """Record and replay a term; parts that draw random numbers stay as they are."""
    if isinstance(term, Sum):
        return Sum(*map(with_graphs, term.terms))
    if isinstance(term, Weighted):
        return Weighted(term.weight, with_graphs(term.term))
    return term if term.random else Graphed(term)


class Graphed(Term):
    """A term whose forward and backward passes are recorded once per image size.

    For images that are not on a GPU or need no gradient, the term itself is called.

    Args:
        term: a deterministic function of the images.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self._recordings: dict[tuple[object, ...], Recording] = {}

    @override
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        if not images.is_cuda or not torch.is_grad_enabled() or not images.requires_grad:
            return self.term(images)
        precision = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        key = (images.shape, images.dtype, *precision)
        if key not in self._recordings:
            # The casts of weights must be recorded too, so autocast must not cache them.
            with torch.autocast("cuda", precision[1], enabled=precision[0], cache_enabled=False):
                self._recordings[key] = Recording(self.term, images)
        recording = self._recordings[key]
        values: Tensor = _Replay.apply(images, recording)  # type: ignore[no-untyped-call]
        return dict(zip(recording.names, values.unbind(), strict=True))

    def __repr__(self) -> str:
        return repr(self.term)


class Recording:
    """A recorded forward and backward pass, with its own memory.

    Args:
        term: the term to record.
        images: images of the size to record.

    Attributes:
        names: names of the values.
        values, d_values: values of the term, and the gradient with respect to them, [terms, B].
        images, d_images: the images, and the gradient with respect to them.
    """

    def __init__(self, term: Term, images: Tensor) -> None:
        self.term = term
        self.names: list[str] = []
        self.images = images.detach().clone().requires_grad_(True)
        warm_up(self._forward_and_backward, WARM_UPS)
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.forward):
            values, seen = self._run()
        with torch.cuda.graph(self.backward, pool=self.forward.pool()):
            (self.d_images,) = torch.autograd.grad(values, seen, self.d_values)
        self.values = values.detach()

    def _forward_and_backward(self) -> None:
        values, seen = self._run()
        self.d_values = torch.ones_like(values)
        torch.autograd.grad(values, seen, self.d_values)

    def _run(self) -> tuple[Tensor, Tensor]:
        """Compute the values; also return the view of the images to differentiate with respect to.

        The images themselves are a leaf, which would keep its CUDA stream.
        """
        seen = self.images.view_as(self.images)
        values = self.term(seen)
        self.names = list(values)
        return torch.stack(list(values.values())), seen


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, recording: Recording) -> Tensor:
        ctx.recording = recording
        with torch.no_grad():
            recording.images.copy_(images)
        recording.forward.replay()
        return recording.values.clone()  # the next replay overwrites this memory

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_values: Tensor) -> tuple[Tensor, None]:
        recording: Recording = ctx.recording
        recording.d_values.copy_(d_values)
        recording.backward.replay()
        return recording.d_images.clone(), None
