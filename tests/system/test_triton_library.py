"""Triton and a graphics driver in one process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OURS = "from nca.gl.context import open_headless; open_headless()"
ANOTHER = "import moderngl; moderngl.create_context(standalone=True, backend='egl')"
TRAINING = "from tests.training.test_learner import make; make().fit(1)"


@pytest.mark.gl
@pytest.mark.parametrize("code", [OURS, f"{ANOTHER}; {TRAINING}"])
def test_triton_can_be_imported_after_a_context_is_open(code: str) -> None:
    """Both contain LLVM; Python crashed in a process that first exported and then trained."""
    pytest.importorskip("triton")
    subprocess.run([sys.executable, "-c", f"{code}; import triton"], cwd=ROOT, check=True)
