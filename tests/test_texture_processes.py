"""Every kind of training by two processes: started by torchrun, as accelerate launch does it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nca.rulefile import load_rule

pytest.importorskip("accelerate", reason="accelerate is not installed")

# Candidates are looked at after fewer steps than in earnest.
SCRIPT = """
import sys
from nca.texture import selection
selection.STOPS, selection.LONG = (5,), 10
from nca.cli import main
sys.exit(main(sys.argv[1:]))
"""
COMMON = (
    "--channels 4 --hidden 8 --iterations 3 --grid 32 --late-grid 32 --steps 2 3 --late-steps 2 3"
)
KINDS = {
    "grow": ["--grow", "--batch-size", "2"],
    "restore": ["--restore"],
    "several": ["--also", "b.png"],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_one_rule(kind: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.effect_noise((40, 40), 60).convert("RGBA").save(tmp_path / name)
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train = ["script.py", "train", "a.png", "--out", "run", "--pool-size", "16", "--size", "32"]
    extra = [*COMMON.split(), "--features", "random", "--quiet"]
    done = subprocess.run(
        [sys.executable, *launch, *train, *extra, *KINDS[kind]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = load_rule(tmp_path / "run" / "rule.safetensors").info["training"]
    assert report["iterations"] == 3
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["iteration"] == 3
