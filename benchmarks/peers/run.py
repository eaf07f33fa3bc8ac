"""Run the same unroll with other libraries (peers).

Each round uses a new process, because JAX keeps its threads. Peers that are not installed
(``pip install nca-studio[bench]``) are reported and left out.
"""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nca.backends import unroll
from nca.benchmarks.peers.lesson import SimpleCA
from nca.benchmarks.peers.ours import to_rule
from nca.benchmarks.settings import SMALL
from nca.rng import CPU, random_masks

# Importing and compiling take most of the time, for any size.
PEERS = {} if SMALL else {"jax": ("jax",), "cax": ("cax", "jax")}
BATCH, SIZE, STEPS = 4, 128, 8
MAX_ROUNDS = 3  # CAX takes half a minute per round


class PeerError(RuntimeError):
    """A peer could not be run; the message is one line."""


def peer_versions(name: str) -> str | None:
    """Return the versions of a peer's packages, ``jax 0.10.2``; None if they are not installed."""
    try:
        return ", ".join(f"{package} {version(package)}" for package in PEERS[name])
    except PackageNotFoundError:
        return None


class PeerRun(NamedTuple):
    """Duration in seconds; results: last state, and gradients of the state, w1, b1 and w2."""

    seconds: float
    results: list[Tensor]


class PeerWork:
    """One unroll, forward and backward, for a peer in a separate process.

    Args:
        channels, hidden: sizes of the rule.
        size: side of the grid.
        every_cell: whether every cell fires, to compare with a peer that draws its own masks.
        device: device for both.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        size: int = SIZE,
        every_cell: bool = False,
        device: torch.device = CPU,
    ) -> None:
        self.device = device
        self.model = SimpleCA(channels, hidden)
        self.state = torch.rand(BATCH, channels, size, size) - 0.5
        rate = 1.0 if every_cell else 0.5
        generator = torch.Generator().manual_seed(0)
        self.masks = random_masks(STEPS, BATCH, size, size, rate, generator)
        self.upstream = torch.randn(self.state.shape)

    def run_here(self) -> None:
        """Run the same unroll with this project."""
        state = self.state.to(self.device, copy=True).requires_grad_(True)
        rule, masks = to_rule(self.model).to(self.device), self.masks.to(self.device)
        last = unroll(state, rule, masks)
        last.backward(self.upstream.to(self.device))  # type: ignore[no-untyped-call]

    def run(self, name: str) -> PeerRun:
        """Run a peer twice and time the second run.

        Raises:
            PeerError: the peer failed.
        """
        rule = to_rule(self.model)
        arrays: dict[str, Tensor] = {
            "w1": rule.w1,
            "b1": rule.b1,
            "w2": rule.w2,
            "filters": rule.filters,
        }
        arrays |= {"state": self.state, "masks": self.masks, "upstream": self.upstream}
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
            dense: dict[str, Any] = {key: value.detach().numpy() for key, value in arrays.items()}
            np.savez(given, **dense)
            command = [
                sys.executable,
                "-m",
                f"nca.benchmarks.peers.{name}_peer",
                str(given),
                str(made),
            ]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env=os.environ
                | {"JAX_PLATFORMS": self.device.type, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
            )
            if done.returncode != 0:
                reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise PeerError(f"{name}: {reason[-1]}")
            results = np.load(made)
            keys = ("last", "d_state", "d_w1", "d_b1", "d_w2")
            return PeerRun(
                float(results["seconds"]), [torch.from_numpy(results[key]) for key in keys]
            )
