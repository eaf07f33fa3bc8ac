"""The unroll in CAX, built from CAX's own parts as its documentation shows.

Faldor and Cully, "CAX: Cellular Automata Accelerated in JAX", ICLR 2025. The module
:mod:`nca.benchmarks.peers.run` runs this script. CAX draws its masks itself, by dropout. With a
dropout rate of zero, every cell fires, so the results can be compared.
"""

import sys
from typing import Any

import numpy as np
from cax.core import ComplexSystem
from cax.core.perceive import ConvPerceive
from cax.core.update import ResidualUpdate
from flax import nnx

from nca.benchmarks.peers.jax_peer import measure


class Texture(ComplexSystem):  # type: ignore[misc]  # untyped where CAX is not installed
    """Fixed filters on every channel, two layers, a residual update of half of the cells."""

    def __init__(self, data: Any) -> None:
        (hidden, inputs), channels = data["w1"].shape, len(data["w2"])
        rate = 0.0 if data["masks"].all() else 0.5
        rngs = nnx.Rngs(0)
        self.perceive = ConvPerceive(
            channels, inputs, padding="CIRCULAR", feature_group_count=channels, rngs=rngs
        )
        self.update = ResidualUpdate(
            2,
            channels,
            inputs,
            (hidden,),
            # Dropout divides the values that it keeps by the fraction that it keeps.
            step_size=1 - rate,
            cell_dropout_rate=rate,
            rngs=rngs,
        )
        filters = data["filters"].transpose(1, 2, 0)[:, :, None]  # [3, 3, 1, K]
        self.perceive.conv.kernel[...] = np.tile(filters, (1, 1, 1, channels))
        first, second = self.update.layers
        first.kernel[...], first.bias[...] = data["w1"].T[None, None], data["b1"]
        second.kernel[...] = data["w2"].T[None, None]
        second.bias[...] = 0

    def _step(self, state: Any, input: Any = None, *, sow: bool = False) -> Any:
        del input, sow
        return self.update(state, self.perceive(state))


LEARNED = nnx.All(nnx.Param, nnx.PathContains("update"))


@nnx.jit
def run(texture: Texture, state: Any, upstream: Any, steps: Any) -> Any:
    """Return the last state, and the gradients of the update's weights and of the state."""

    def loss(texture: Texture, state: Any) -> tuple[Any, Any]:
        last = texture(state, num_steps=len(steps))
        return (last * upstream).sum(), last

    gradient = nnx.value_and_grad(loss, argnums=(nnx.DiffState(0, LEARNED), 1), has_aux=True)
    (_, last), gradients = gradient(texture, state)
    return last, gradients


def main() -> None:
    """Read the inputs, run, write the results."""
    given, made = sys.argv[1:]
    data = np.load(given)
    state, upstream = (data[name].transpose(0, 2, 3, 1) for name in ("state", "upstream"))
    texture, steps = Texture(data), np.zeros(len(data["masks"]))
    seconds, (last, (gradients, d_state)) = measure(lambda: run(texture, state, upstream, steps))
    first, second = gradients["update"]["layers"][0], gradients["update"]["layers"][1]
    np.savez(
        made,
        seconds=seconds,
        last=np.asarray(last).transpose(0, 3, 1, 2),
        d_state=np.asarray(d_state).transpose(0, 3, 1, 2),
        d_w1=np.asarray(first["kernel"][...])[0, 0].T,
        d_b1=np.asarray(first["bias"][...]),
        d_w2=np.asarray(second["kernel"][...])[0, 0].T,
    )


if __name__ == "__main__":
    main()
