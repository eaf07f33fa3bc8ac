from pathlib import Path

import pytest
from PIL import Image

from nca.errors import InputError
from tests.helpers.ddpm_run import trained_run
from tools import guidance


def test_the_picture_has_a_column_for_each_class_and_rows_for_each_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guidance, "SCALES", (1.0, 3.0, 9.0))
    run = trained_run(tmp_path, classes=True, iterations=1)
    guidance.main(run.path, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        columns, rows = len(run.model.info.names), guidance.ROWS * 3
        assert picture.width / columns == pytest.approx(picture.height / rows, rel=0.05)
        whole = picture.convert("L")
    step = whole.height // 3
    strips = [whole.crop((0, i * step, whole.width, (i + 1) * step)) for i in range(3)]
    assert len({strip.tobytes() for strip in strips}) == 3


def test_a_model_without_classes_has_no_guidance(tmp_path: Path) -> None:
    run = trained_run(tmp_path, iterations=1)
    with pytest.raises(InputError, match="not trained with `classes`"):
        guidance.main(run.path, tmp_path / "grid.png")
