"""Load Triton's library without a conflict with the graphics driver."""

import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
from pathlib import Path


@functools.cache
def load_triton() -> None:
    """Load Triton's library, if Triton is installed, so that it uses only its own LLVM.

    Mesa's drivers contain a different LLVM release. If Mesa's LLVM is loaded first and torch then
    imports Triton, which happens at the first step of an optimizer, the linker resolves Triton's
    symbols in Mesa's LLVM, and Python crashes. With ``RTLD_DEEPBIND``, the linker looks in Triton's
    library first.
    """
    found = importlib.util.find_spec("triton") if sys.platform == "linux" else None
    if found is not None and found.origin is not None:
        for library in (Path(found.origin).parent / "_C").glob("libtriton*.so"):
            with contextlib.suppress(OSError):  # if it is damaged, importing it gives the reason
                ctypes.CDLL(str(library), mode=os.RTLD_LAZY | os.RTLD_DEEPBIND)
