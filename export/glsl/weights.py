"""The weights of a rule in blocks of four, as matrices and as a texture."""

from typing import Literal

import numpy as np

from nca.exporters.glsl.decoder_weights import decoder_matrices, decoder_texels
from nca.exporters.glsl.pieces import Matrix, group_count
from nca.rule import Rule

Store = Literal["inline", "texture"]
StoreChoice = Literal["auto", "inline", "texture"]

# On CPU renderers, literals are about five times as fast as a weight texture. But long programs
# compile slowly, above all with Direct3D. A rule of 12 channels and 96 hidden units has 360
# matrices.
MAX_INLINE_MATRICES = 384
TEXTURE_WIDTH = 256


class WeightBlocks:
    """Weights of a rule, padded with zeros to groups of four channels and hidden units.

    Attributes:
        groups, hidden_groups, filters: numbers of groups and filters.
        b1, b2: [4 * hidden_groups] and [4 * groups] float32; a rule without ``b2`` has zeros.
    """

    def __init__(self, rule: Rule) -> None:
        settings = rule.settings
        self.groups = group_count(settings.channels)
        self.hidden_groups = group_count(settings.hidden)
        self.filters = len(rule.filters)
        fill = 4 * self.groups - settings.channels
        fill_hidden = 4 * self.hidden_groups - settings.hidden
        w1 = rule.w1.detach().numpy().reshape(settings.hidden, settings.channels, self.filters)
        self._w1: Matrix = np.pad(w1, ((0, fill_hidden), (0, fill), (0, 0)))
        self._w2: Matrix = np.pad(rule.w2.detach().numpy(), ((0, fill), (0, fill_hidden)))
        self.b1: Matrix = np.pad(rule.b1.detach().numpy(), (0, fill_hidden))
        b2 = (
            np.zeros(settings.channels, np.float32) if rule.b2 is None else rule.b2.detach().numpy()
        )
        self.b2: Matrix = np.pad(b2, (0, fill))

    def first(self, hidden_group: int, group: int, filter_index: int) -> Matrix:
        """Return a block of the first layer, [4 hidden, 4 channels]."""
        j, g = 4 * hidden_group, 4 * group
        return self._w1[j : j + 4, g : g + 4, filter_index]

    def second(self, group: int, hidden_group: int) -> Matrix:
        """Return a block of the second layer, [4 channels, 4 hidden]."""
        j, g = 4 * hidden_group, 4 * group
        return self._w2[g : g + 4, j : j + 4]


def matrix_count(rule: Rule) -> int:
    """Return the number of 4x4 blocks of weights in an unrolled shader."""
    groups, hidden_groups = group_count(rule.settings.channels), group_count(rule.settings.hidden)
    return hidden_groups * groups * (len(rule.filters) + 1)


def choose_store(rule: Rule, choice: StoreChoice = "auto") -> Store:
    """Choose where to store weights: literals for a small rule, a texture for a large one."""
    if choice != "auto":
        return choice
    return "inline" if matrix_count(rule) <= MAX_INLINE_MATRICES else "texture"


def choose_decoder_store(rule: Rule, choice: StoreChoice = "auto") -> Store:
    """Choose where to store the weights of a rule's decoder."""
    assert rule.decoder is not None
    if choice != "auto":
        return choice
    return "inline" if decoder_matrices(rule.decoder) <= MAX_INLINE_MATRICES else "texture"


def step_texels(rule: Rule) -> int:
    """Return the number of texels with the weights of a step, which those of the decoder follow."""
    groups, hidden_groups = group_count(rule.settings.channels), group_count(rule.settings.hidden)
    return groups + hidden_groups + 4 * matrix_count(rule)


def pack_weights(rule: Rule) -> Matrix:
    """Arrange the weights for the store ``texture``.

    Texel i lies at ``(i % 256, i // 256)``. First comes ``b2`` (one texel per group of channels).
    Then follow, for every four hidden units, their ``b1`` (one texel), their matrices for every
    group of channels and filter, and their matrices of the second layer for every group of
    channels. A matrix is four texels, one per column. Padding to multiples of four is zero. The
    texels of a decoder come last (see :func:`nca.exporters.glsl.decoder_weights.decoder_texels`).

    Returns:
        [rows, 256, 4] float32.
    """
    blocks = WeightBlocks(rule)
    groups, filters = range(blocks.groups), range(blocks.filters)
    texels: list[Matrix] = [blocks.b2.reshape(-1, 4)]
    for j in range(blocks.hidden_groups):
        texels.append(blocks.b1[4 * j : 4 * j + 4].reshape(1, 4))
        texels += [blocks.first(j, g, k).T for g in groups for k in filters]
        texels += [blocks.second(g, j).T for g in groups]
    if rule.decoder is not None:
        texels.append(decoder_texels(rule.decoder))
    flat = np.concatenate(texels)
    packed = np.zeros((-(-len(flat) // TEXTURE_WIDTH), TEXTURE_WIDTH, 4), np.float32)
    packed.reshape(-1, 4)[: len(flat)] = flat
    return packed
