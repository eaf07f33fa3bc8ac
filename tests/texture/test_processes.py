"""Every kind of training by two processes: started by torchrun, or by accelerate launch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.texture.settings import train_settings
from nca.texture.train import TextureTraining

pytest.importorskip("accelerate", reason="accelerate is not installed")

# Candidates are scored after few steps; the result of each process is written.
SCRIPT = """
import sys
from hashlib import sha256
from pathlib import Path
from nca.cli import main
from nca.texture.callbacks import keep_best as selection
from nca.texture.train import TextureTraining

selection.STOPS, selection.LONG = (5,), 10
fit = TextureTraining.fit

def fit_and_tell(training):
    fit(training)
    pool = training.task.pool
    parts = [*training.learner.model.parameters(), pool.states, pool.generator.get_state()]
    found = [sha256(part.detach().numpy().tobytes()).hexdigest() for part in parts]
    Path(f"rank{training.learner.engine.rank}.txt").write_text(" ".join(found))

TextureTraining.fit = fit_and_tell
sys.exit(main(sys.argv[1:]))
"""
COMMON = (
    "--channels 4 --hidden 8 --iterations 3 --grid 32 --late-grid 32 --steps 2 3 --late-steps 2 3"
)
TORCHRUN = "torch.distributed.run --standalone --nproc_per_node 2"
ACCELERATE = "accelerate.commands.launch --multi_gpu --num_processes 2 --main_process_port 0"
KINDS = {
    "texture": (TORCHRUN, ""),
    "noise": (ACCELERATE, "--preset noise"),
    "grow": (TORCHRUN, "--grow --batch-size 2"),
    "restore": (TORCHRUN, "--restore"),
    # The two have states of one or two of the three pictures.
    "several": (
        TORCHRUN, "--also b.png c.png --batch-size 2 --statistic transport --from a.safetensors"
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_one_rule(kind: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.effect_noise((40, 40), 60).convert("RGBA").save(tmp_path / name)
    save_rule(tmp_path / "a.safetensors", Rule(RuleSettings(5, 9, update_rate=0.75)))
    (tmp_path / "script.py").write_text(SCRIPT)
    launcher, own = KINDS[kind]
    train = ["script.py", "train", "a.png", "--out", "run", "--pool-size", "16", "--size", "32"]
    extra = [*COMMON.split(), "--quiet"]
    if kind != "grow":
        extra += ["--features", "random"]
    done = subprocess.run(
        [sys.executable, "-m", *launcher.split(), *train, *extra, *own.split()],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / f"rank{rank}.txt").read_text() for rank in range(2))
    assert first == second, "the processes have come apart"
    file = load_rule(tmp_path / "run" / "rule.safetensors")
    assert file.info["training"]["iterations"] == 3
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["iteration"] == 3
    settings = file.rule.settings
    assert (settings.channels, settings.update_rate) == {
        "noise": (4, 1.0), "several": (5, 0.75)
    }.get(kind, (4, 0.5))  # fmt: skip


def test_trials_of_threads_take_nothing_of_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = train_settings(
        "picture.png", tmp_path, "tiny", size=32, grid=16, late_grid=16, pool_size=8,
        features="random", statistic="transport",
    )  # fmt: skip
    trials = []

    def use_fastest(_: int, work: Callable[[], object]) -> None:
        torch.set_num_threads(1)
        trials.append(work())

    monkeypatch.setattr("nca.training.callbacks.threads.use_fastest", use_fastest)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.manual_seed(0)
        training = TextureTraining(settings, torch.rand(3, 32, 32))
        torch.set_num_threads(threads)
        training.learner.use_callbacks([c for c in training.learner.callbacks if c.essential])
        training.learner.fit(iterations=2)
        torch.set_num_threads(before)
        found.append((training.task.pool.generator.get_state(), training.task.rule.w1.detach()))
    assert len(trials) == 1
    assert all(map(torch.equal, *found))
