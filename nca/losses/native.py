"""The ``builtin`` features on CPUs: C++ code that computes their second moments directly.

Convolutions, ReLUs and inner products take most of the time when a small rule is trained. The
source is in ``kernels/`` and is compiled on first use. It computes in float32, even under autocast.
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nca.backends.compiler import CompileError, cached_with_errors, load_library
from nca.backends.library import warn_once
from nca.backends.native import KERNELS, Workspace
from nca.losses.features.base import Features
from nca.losses.features.patchnet import Builtin
from nca.system.threads import ThreadCount

SOURCE = Path(__file__).parent / "kernels" / "texture.cpp"
SYMBOLS = ("texture_rows", "texture_floats", "texture_forward", "texture_backward")
NET = -1  # level of the network's layers, which do not belong to the pyramid
COLORS = 3  # number of inputs of a layer that reads colors; its gradients use blocks of 3 rows


class _Layer(ctypes.Structure):
    """``struct Layer`` of ``kernels/texture.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("size", "inputs", "filters", "level")),
        *((name, ctypes.c_void_p) for name in ("weights", "back_weights", "bias")),
    )


class _Problem(ctypes.Structure):
    """``struct Problem`` of ``kernels/texture.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "height", "width", "wraps", "threads")),
        ("layer_count", ctypes.c_int64),
        ("layers", ctypes.POINTER(_Layer)),
        *((name, ctypes.c_void_p) for name in ("matrix", "mean", "features")),
    )


@cached_with_errors
def texture_library(colors: int) -> ctypes.CDLL:
    """Load the library for images of some number of channels; compile it if it is not in the cache.

    Raises:
        CompileError: there is no compiler, or it failed.
    """
    library = load_library(SOURCE, {"COLORS": str(colors)}, symbols=SYMBOLS, headers=KERNELS)
    pointer = ctypes.c_void_p
    library.texture_floats.argtypes = [ctypes.POINTER(_Problem)]
    for name in ("texture_forward", "texture_backward"):
        getattr(library, name).argtypes = [ctypes.POINTER(_Problem), pointer, pointer]
    for symbol in SYMBOLS:
        getattr(library, symbol).restype = ctypes.c_int64
    return library


@dataclass(frozen=True)
class Layer:
    """A convolution with ReLU; its weights are in the order in which the kernel reads them.

    Attributes:
        name: name of the layer.
        size: side of the filters.
        inputs, filters: number of input channels, and of filters.
        level: level of the pyramid that it reads, or ``NET``.
        weights, back_weights: packed weights for the forward and the backward pass.
        bias: [filters].
    """

    name: str
    size: int
    inputs: int
    filters: int
    level: int
    weights: Tensor
    back_weights: Tensor
    bias: Tensor

    @classmethod
    def of(cls, name: str, weight: Tensor, bias: Tensor, rows: int, level: int = NET) -> "Layer":
        """Pack the weights, [filters, inputs, size, size], into blocks of ``rows`` filters."""
        filters, inputs, size, _ = weight.shape
        back = _blocks(weight.transpose(0, 1), COLORS if inputs == COLORS else rows)
        return cls(
            name, size, inputs, filters, level, _blocks(weight, rows), back, bias.contiguous()
        )

    @property
    def features(self) -> int:
        """Number of channels that are compared."""
        return self.filters if self.level == NET else 2 * self.filters + self.inputs + 1

    def structure(self) -> _Layer:
        """Return the C structure; it is valid as long as this object exists."""
        pointers = (t.data_ptr() for t in (self.weights, self.back_weights, self.bias))
        return _Layer(self.size, self.inputs, self.filters, self.level, *pointers)


def _blocks(weight: Tensor, rows: int) -> Tensor:
    flat = weight.flatten(1)
    flat = F.pad(flat, (0, 0, 0, -len(flat) % rows))
    return flat.view(len(flat) // rows, rows, flat.shape[1]).transpose(1, 2).contiguous()


class TextureKernel:
    """Computes moments of image features, if the kernel supports the images.

    Args:
        features: the features to compute.
    """

    def __init__(self, features: Builtin) -> None:
        self.features = features
        self.colors = features.network.normalize.mean.shape[1]
        self._calls: dict[bool, Call] = {}

    def __call__(self, images: Tensor, *, wraps: bool) -> Features | None:
        """Compute second moments and, in the last column, means of each layer, [B, N, N + 1].

        Returns None if the images are not on the CPU, not float32, or too small, or if the kernel
        cannot be compiled.
        """
        if images.device.type != "cpu" or images.dtype != torch.float32:
            return None
        try:
            library = texture_library(self.colors)
        except CompileError as error:
            warn_once(f"{error}; the texture loss runs in torch, half as fast")
            return None
        if wraps not in self._calls:
            self._calls[wraps] = Call(library, self._packed(library), self.features, wraps)
        call = self._calls[wraps]
        if not images.numel() or not call.floats(images):
            return None
        moments = _Moments.apply(images, call)  # type: ignore[no-untyped-call]
        return dict(zip((layer.name for layer in call.layers), moments, strict=True))

    def _packed(self, library: ctypes.CDLL) -> list[Layer]:
        net, bank, rows = self.features.network, self.features.bank, int(library.texture_rows())
        colors = torch.zeros(0, self.colors, 1, 1), torch.zeros(0)
        return [
            Layer.of("color", *colors, rows, 0),
            *(Layer.of(f"net{i + 1}", *layer, rows) for i, layer in enumerate(net.layers)),
            *(Layer.of(f"bank{i + 1}", *layer, rows, i) for i, layer in enumerate(bank.levels)),
        ]


class Call:
    """The kernel with its weights.

    Args:
        library: the compiled kernel.
        layers: the packed layers.
        features: provides the normalization.
        wraps: whether the images wrap.
    """

    def __init__(
        self, library: ctypes.CDLL, layers: list[Layer], features: Builtin, wraps: bool
    ) -> None:
        self.library, self.layers, self.wraps = library, layers, wraps
        # The network and the bank have the same normalization, because both use the same target.
        normalize = features.network.normalize
        self.matrix, self.mean = normalize.matrix.contiguous(), normalize.mean.contiguous()
        self._structures = (_Layer * len(layers))(*(layer.structure() for layer in layers))

    def floats(self, images: Tensor) -> int:
        """Number of floats that the features of one image take; 0 if the image is too small."""
        return int(self.library.texture_floats(self._problem(images, None, 1)))

    def forward(self, images: Tensor, threads: int | None = None) -> tuple[list[Tensor], Tensor]:
        """Compute the moments of each layer; also return the features, for the backward pass."""
        if threads is None:
            threads = self._threads(images)
        kept = _workspace.take(len(images) * self.floats(images))
        moments = [
            torch.empty(len(images), layer.features, layer.features + 1) for layer in self.layers
        ]
        problem = self._problem(images, kept, threads)
        _check(self.library.texture_forward(problem, images.data_ptr(), _pointers(moments)))
        return moments, kept

    def backward(self, images: Tensor, kept: Tensor, d_moments: list[Tensor]) -> Tensor:
        """Compute the gradient with respect to the images."""
        d_images = torch.empty_like(images)
        problem = self._problem(images, kept, self._threads(images))
        _check(self.library.texture_backward(problem, d_images.data_ptr(), _pointers(d_moments)))
        return d_images

    def _threads(self, images: Tensor) -> int:
        def trial(threads: int) -> None:
            samples = torch.zeros(2 * torch.get_num_threads(), self.mean.shape[1], 64, 64)
            _workspace.give_back(self.forward(samples, threads)[1])

        return _thread_count(len(images), trial)

    def _problem(self, images: Tensor, kept: Tensor | None, threads: int) -> _Problem:
        return _Problem(
            len(images),
            *images.shape[2:],
            self.wraps,
            threads,
            len(self.layers),
            self._structures,
            self.matrix.data_ptr(),
            self.mean.data_ptr(),
            None if kept is None else kept.data_ptr(),
        )


_workspace = Workspace()
_thread_count = ThreadCount()


def _pointers(tensors: list[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _check(status: int) -> None:
    if status != 0:
        raise MemoryError("the texture loss ran out of memory")


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, call: Call) -> tuple[Tensor, ...]:
        images = images.detach().contiguous()
        moments, ctx.kept = call.forward(images)
        ctx.call = call
        ctx.save_for_backward(images)
        if not ctx.needs_input_grad[0]:
            _workspace.give_back(ctx.kept)
        return tuple(moments)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_moments: Tensor) -> tuple[Tensor, None]:
        (images,) = ctx.saved_tensors
        call: Call = ctx.call
        kept, ctx.kept = ctx.kept, None
        if kept is None:  # this is a second backward pass, through a retained graph
            _, kept = call.forward(images)
        d_images = call.backward(images, kept, [d.float().contiguous() for d in d_moments])
        _workspace.give_back(kept)
        return d_images, None
