import re
from pathlib import Path
from typing import Any

import pytest

from nca.ddpm.settings import ddpm_settings
from nca.errors import InputError
from tests.helpers.ddpm_run import SIDE, write_pictures
from tools import schedules


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    small: dict[str, Any] = {
        "size": SIDE, "channels": (8, 16), "groups": 4, "batch_size": 8, "quiet": True,
    }  # fmt: skip
    for name, value in {"SMALL": small, "ITERATIONS": 2, "COUNT": 8, "REPEATS": 2}.items():
        monkeypatch.setattr(schedules, name, value)


@pytest.mark.usefixtures("quick")
def test_the_table_has_a_line_for_each_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, names = str(write_pictures(tmp_path / "pictures")), ["cosine, loss", "flow, logit-normal"]
    schedules.main(tmp_path / "out", data, names)
    first = capsys.readouterr().out.splitlines()
    assert first[0].count("|") == first[1].count("|") == 2 + len(schedules.SAMPLERS)
    for line, name in zip(first[2:4], names, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == name
        assert all(
            re.fullmatch(r"-?\d+\.\d \[-?\d+\.\d \.\. -?\d+\.\d\]", kid) for kid in cells[1:]
        )
    written = (tmp_path / "out" / names[0] / "checkpoint.pt").stat().st_mtime_ns
    schedules.main(tmp_path / "out", data, names[:1])
    assert capsys.readouterr().out.splitlines()[2] == first[2]
    assert (tmp_path / "out" / names[0] / "checkpoint.pt").stat().st_mtime_ns == written


def test_every_model_has_settings_that_exist() -> None:
    for values in schedules.MODELS.values():
        ddpm_settings("data", "out", **schedules.SMALL | values)


def test_a_row_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cosine, always: must be one of"):
        schedules.main(tmp_path, "data", ["cosine, always"])
