"""The code in docs/explanation/training-loop.md matches the package, and its commands run."""

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from nca.training.learner import Learner

TEXT = (Path(__file__).parents[2] / "docs" / "explanation" / "training-loop.md").read_text()
BLOCK = re.compile(r"(<!-- from: \S+ -->\n)?```python\n(.*?)```", re.DOTALL)


def test_the_code_shown_is_the_code() -> None:
    shown = re.findall(r"<!-- from: \S+\.(\w+) -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert [name for name, _ in shown] == ["_one_batch", "_phase"]
    for name, code in shown:
        assert textwrap.dedent(inspect.getsource(getattr(Learner, name))) == code


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    examples = [code for source, code in BLOCK.findall(TEXT) if not source]
    assert len(examples) == 3
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(examples[0], "fit an image", "exec"), names)
    learner, target = names["learner"], names["target"]
    assert learner.iteration == 150
    assert torch.allclose(names["canvas"].pixels, target, atol=0.05)
    exec(compile(examples[1], "a callback", "exec"), names)
    assert learner.iteration == 300
    body = inspect.cleandoc(examples[1].split("class Clamp")[1].split("\n\n\n")[0])
    assert len([line for line in body.splitlines() if line.strip()]) <= 5
    exec(compile(examples[2], "an objective", "exec"), names)
    assert names["rows"].terms == ["match", "smooth"]
    rough = names["canvas"].pixels.detach().diff(dim=1).square().mean()
    smooth = names["smooth"].pixels.detach().diff(dim=1).square().mean()
    assert smooth < 0.5 * rough
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"0\.\d{3} -> 0\.0000\d\d", first)
    assert re.match(r"\{'match': 0\.\d+, 'smooth': 0\.\d+\}", last)
