"""Run by test_unroll_native.py in a process with AddressSanitizer loaded."""

import sys

import torch

from nca.backends import compiler, native
from tests.backends.unroll_oracle import make_case, results

# Each pair of channels and hidden units, and each number of filters, is compiled by itself.
CASES = {
    "planes, nothing even": {
        "channels": 6, "hidden": 11, "size": (31, 77), "steps": 4, "bias": True, "hidden_clip": 0.3,
    },
    "smallest reflect": {"padding": "reflect", "size": (2, 2)},
    "one cell": {"size": (1, 1), "steps": 3},
    "more channels than hidden": {"channels": 21, "hidden": 3, "size": (8, 8), "steps": 4},
    "one filter": {
        "filters": torch.full((1, 3, 3), 1 / 9), "hidden": 20, "padding": "zeros", "steps": 4,
    },
}  # fmt: skip


def main() -> None:
    compiler.FLAGS = (*compiler.FLAGS, "-O1", "-fsanitize=address")
    if "overrun" in sys.argv:  # a workspace too small must be noticed; its last vector is spare
        take = native.Workspace.take
        native.Workspace.take = lambda self, floats: take(self, floats - 64)
    for name, sizes in CASES.items():
        case = make_case(**sizes)
        results(native.unroll_native, case)
        with torch.autocast("cpu", torch.bfloat16):
            results(native.unroll_native, case)
        print("ok", name, flush=True)


if __name__ == "__main__":
    main()
