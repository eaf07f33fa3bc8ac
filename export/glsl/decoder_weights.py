"""The weights of a decoder in blocks of four, as matrices and as texels."""

from collections.abc import Iterator

import numpy as np

from nca.decoder import Decoder
from nca.exporters.glsl.pieces import Matrix, group_count


class LayerBlocks:
    """A layer of a decoder, padded with zeros to groups of four units and inputs.

    The inputs of the first layer are groups of channels, then one group of waves of the position in
    the cell for every order.

    Attributes:
        units, inputs: numbers of groups.
        bias: [4 * units] float32.
    """

    def __init__(self, decoder: Decoder, number: int) -> None:
        weight, bias = (
            getattr(decoder, f"{kind}{number}").detach().numpy().astype(np.float32) for kind in "wb"
        )
        if number == 1:  # the channels fill whole groups
            weight = np.insert(weight, [decoder.channels] * (-decoder.channels % 4), 0, axis=1)
        self._weight: Matrix = np.pad(weight, [(0, -side % 4) for side in weight.shape])
        self.bias: Matrix = np.pad(bias, (0, -len(bias) % 4))
        self.units, self.inputs = (side // 4 for side in self._weight.shape)

    def block(self, unit: int, given: int) -> Matrix:
        """Weights of a group of units for a group of inputs, [4, 4]."""
        return self._weight[4 * unit : 4 * unit + 4, 4 * given : 4 * given + 4]


def decoder_layers(decoder: Decoder) -> Iterator[LayerBlocks]:
    """All layers, in order."""
    return (LayerBlocks(decoder, number) for number in range(1, decoder.layers + 1))


def decoder_matrices(decoder: Decoder) -> int:
    """Number of 4x4 blocks of weights."""
    return sum(layer.units * layer.inputs for layer in decoder_layers(decoder))


def decoder_texels(decoder: Decoder) -> Matrix:
    """The weights for the store ``texture``, [texels, 4].

    For every layer and every four of its units: their bias, then their matrices for every group of
    inputs. A matrix is four texels, one per column.
    """
    texels: list[Matrix] = []
    for layer in decoder_layers(decoder):
        for j in range(layer.units):
            texels.append(layer.bias[4 * j : 4 * j + 4].reshape(1, 4))
            texels += [layer.block(j, n).T for n in range(layer.inputs)]
    return np.concatenate(texels)


def layer_sizes(decoder: Decoder) -> list[int]:
    """Numbers of groups of four: of the inputs, then of every layer."""
    inputs = group_count(decoder.channels) + decoder.settings.order
    return [inputs, *map(group_count, (*decoder.settings.hidden, decoder.outputs))]
