from pathlib import Path

import pytest
import torch

from nca.errors import InputError
from nca.evaluation.measures import PatchDistance
from nca.images import to_tensor
from tools import pixels
from tools.pictures import draw


def test_pixels_come_nearer_and_both_phases_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "SIZE", 48)
    target = to_tensor(draw("coral", 64))[None]
    distance = PatchDistance(target)
    start = pixels.optimize(target, "gram", 0)[0]
    found = {
        spec: pixels.optimize(target, spec, 40)[0]
        for spec in ("patches5", "wasserstein", "patches5|wasserstein")
    }
    for picture in found.values():
        assert float(distance(picture)) < 0.6 * float(distance(start))
    assert not torch.equal(found["patches5|wasserstein"], found["patches5"])
    assert not torch.equal(found["patches5|wasserstein"], found["wasserstein"])


def test_the_table_and_the_pictures_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "SIZE", 48)
    draw("coral", 64).save(tmp_path / "coral.png")
    pixels.main(tmp_path / "out", [tmp_path / "coral.png"], ["gram|moments+patches5"], 2, "random")
    head, _, line = capsys.readouterr().out.splitlines()
    assert line.startswith("| gram, then moments+patches5 | coral | ")
    assert line.count(" | ") == head.count(" | ")
    assert (tmp_path / "out" / "coral, gram, then moments+patches5.png").exists()


@pytest.mark.parametrize("name", ["nothing", "patches", "patchesx"])
def test_a_loss_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: must be one of"):
        pixels.term_of(name, torch.rand(1, 3, 48, 48), torch.Generator())
