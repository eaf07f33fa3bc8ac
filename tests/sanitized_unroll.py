"""Run by test_unroll_native.py in a process with AddressSanitizer loaded."""

import sys

import torch

from nca.unroll import compiler, native
from tests.test_unroll import CASES
from tests.unroll_oracle import make_case, results

NAMES = (
    "tiny odd grid",
    "smallest reflect",
    "one cell",
    "tiny bias and clip",
    "many channels, few hidden",
    "one filter",
)


def main() -> None:
    compiler.FLAGS = (*compiler.FLAGS, "-O1", "-fsanitize=address", "-g")
    if "overrun" in sys.argv:  # a workspace one cell too small must be noticed
        take = native.Workspace.take
        native.Workspace.take = lambda self, floats: take(self, floats - 16)
    for name in NAMES:
        case = make_case(**CASES[name])
        results(native.unroll_native, case)
        with torch.autocast("cpu", torch.bfloat16):
            results(native.unroll_native, case)
        print("ok", name, flush=True)


if __name__ == "__main__":
    main()
