"""`import nca`: the names that are public, at hand at once, with examples that run."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import nca

PACKAGE = Path(nca.__file__).parent
WITHOUT_EXAMPLE = {"TrainedRule", "RuleSettings"}  # what functions return, and fields
NOT_RUN = {"view": "a window that waits to be closed", "sample": "tests/api/test_sample.py runs it"}


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_the_import_loads_nothing_heavy() -> None:
    loaded = ast.literal_eval(run("import sys, nca; dir(nca); print(sorted(sys.modules))"))
    assert not {"torch", "numpy", "PIL", "tyro", "tqdm"} & set(loaded)
    assert [name for name in loaded if name.startswith("nca.")] == []


def test_every_name_is_there_listed_and_typed() -> None:
    assert nca.__all__ == sorted(nca.__all__)
    assert set(nca.__all__) <= set(dir(nca))
    block = PACKAGE.joinpath("__init__.py").read_text().split("if TYPE_CHECKING:")[1]
    typed = re.findall(r"^    from (\S+) import (.*)$", block, re.MULTILINE)
    seen = {name: module for module, names in typed for name in names.split(", ")}
    assert sorted(seen) == nca.__all__
    for name, module in seen.items():
        assert getattr(nca, name) is getattr(sys.modules[module], name)
    with pytest.raises(AttributeError, match="module 'nca' has no attribute 'trian'"):
        getattr(nca, "trian")  # noqa: B009  (or mypy finds it)
    assert hasattr(nca, "__version__")


def test_no_module_takes_the_place_of_a_name() -> None:
    parts = {path.stem for path in PACKAGE.iterdir()}
    assert not parts & set(nca.__all__)


@pytest.mark.parametrize("name", nca.__all__)
def test_every_name_is_explained(name: str) -> None:
    assert inspect.getdoc(getattr(nca, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(nca.__all__) - WITHOUT_EXAMPLE))
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = inspect.getdoc(getattr(nca, name)) or ""
    (example,) = re.findall(r"^::\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    code = compile(textwrap.dedent(example), name, "exec")
    monkeypatch.chdir(tmp_path)
    if name not in NOT_RUN:
        exec(code, {"nca": nca, "np": np, "torch": torch, "__name__": "example"})
