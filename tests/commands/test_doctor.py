"""`nca doctor` and `nca --version`."""

import pytest
import torch

import nca
from nca.backends.compiler import CompileError
from nca.cli import main
from nca.commands.doctor import PARTS, doctor
from nca.commands.settings import DoctorSettings


def test_every_part_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["torch", *(part.name for part in PARTS)]
    assert torch.__version__ in lines[0]


def test_what_is_missing_has_a_cost_and_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise CompileError("none")

    monkeypatch.setattr("nca.commands.doctor.find_compiler", none)
    (line,) = [line for line in doctor(DoctorSettings()) if line.startswith("compiler")]
    assert line.endswith(
        "missing: training is several times slower; pip install 'nca-studio[compiler]'"
    )


def test_the_version_names_torch_and_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"nca {nca.__version__}, torch {torch.__version__}, ")
