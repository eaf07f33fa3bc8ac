"""A good implementation of the unroll in JAX; :mod:`nca.benchmarks.peers.run` runs this script.

Of the variants that were tried, this was the fastest: channels first, filters as sums of shifted
planes, each layer as one matrix product over all cells, and a scan over the steps. The backward
pass recomputes each step. Storing the results instead takes 1.2 times as long, and so does a
channels-last layout.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Weights = tuple[Any, Any, Any]


def perceive(x: Any) -> Any:
    """Stack identity, sobel x, sobel y and laplacian, [C, B, H, W] -> [4*C, B, H, W]."""
    up, down = jnp.roll(x, 1, 2), jnp.roll(x, -1, 2)
    smooth, slope = up + 2 * x + down, down - up
    sobel_x = jnp.roll(smooth, -1, 3) - jnp.roll(smooth, 1, 3)
    sobel_y = jnp.roll(slope, 1, 3) + 2 * slope + jnp.roll(slope, -1, 3)
    laplacian = jnp.roll(smooth, 1, 3) + 2 * smooth + jnp.roll(smooth, -1, 3) - 16 * x
    return jnp.concatenate([x, sobel_x, sobel_y, laplacian])


@jax.checkpoint
def step(weights: Weights, x: Any, mask: Any) -> Any:
    """Run one step of a state, [C, B, H, W]; column k*C + c of w1 is filter k of channel c."""
    w1, b1, w2 = weights
    perception = perceive(x).reshape(w1.shape[1], -1)
    hidden = jax.nn.relu(w1 @ perception + b1[:, None])
    return x + (w2 @ hidden).reshape(x.shape) * mask


@jax.jit
def run(weights: Weights, x: Any, masks: Any, upstream: Any) -> tuple[Any, tuple[Weights, Any]]:
    """Return the last state, and the gradients of the weights and of the state."""

    def loss(weights: Weights, x: Any) -> tuple[Any, Any]:
        last, _ = jax.lax.scan(lambda x, mask: (step(weights, x, mask), None), x, masks)
        return (last * upstream).sum(), last

    (_, last), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(weights, x)
    return last, gradients


def measure(run: Callable[[], Any]) -> tuple[float, Any]:
    """Run twice; return the seconds of the second run (on a GPU, wall time), and its results."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    jax.block_until_ready(run())
    start = clock()
    results = jax.block_until_ready(run())
    return clock() - start, results


def main() -> None:
    """Read the inputs, run, write the results."""
    given, made = sys.argv[1:]
    data = np.load(given)
    channels, filters = data["state"].shape[1], len(data["filters"])
    # From c*K + k to k*C + c, and back.
    order = np.arange(channels * filters).reshape(channels, filters).T.flatten()
    weights = (data["w1"][:, order], data["b1"], data["w2"])
    first = [data[name].transpose(1, 0, 2, 3) for name in ("state", "upstream")]
    masks = data["masks"].astype(np.float32)
    arguments = jax.device_put((weights, first[0], masks, first[1]))
    seconds, (last, (gradients, d_state)) = measure(lambda: run(*arguments))
    d_w1 = np.empty_like(data["w1"])
    d_w1[:, order] = gradients[0]
    np.savez(
        made,
        seconds=seconds,
        last=np.asarray(last).transpose(1, 0, 2, 3),
        d_state=np.asarray(d_state).transpose(1, 0, 2, 3),
        d_w1=d_w1,
        d_b1=gradients[1],
        d_w2=gradients[2],
    )


if __name__ == "__main__":
    main()
