from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.evaluation.settings import EvalSettings
from nca.gallery import FOLDERS, gallery_path
from nca.gallery import gallery as bundled
from nca.pictures import material_path
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from nca.texture.callbacks import keep_best
from nca.texture.settings import TrainSettings, train_settings
from nca.training.learner import Learner
from tests.helpers.known_rules import decaying
from tests.helpers.rules import bounded_rule, with_random_decoder
from tools import fine, gallery
from tools.pictures import draw


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine, "GROWN", 6)
    monkeypatch.setattr(fine, "WARM_UP", 2)
    monkeypatch.setattr(keep_best, "STOPS", (5,))
    monkeypatch.setattr(keep_best, "LONG", 10)


def quick_settings(picture: Path, run: Path, preset: str, **values: Any) -> TrainSettings:
    """Settings that train quickly: those of ``tiny`` in place of ``full``, few cells and steps."""
    return train_settings(
        picture, run, "tiny" if preset == "full" else preset, grid=16, late_grid=16,
        steps=(3, 6), late_steps=(4, 8), pool_size=8, **values,
    )  # fmt: skip


def folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.usefixtures("small")
def test_a_row_compares_three_textures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decoder = DecoderSettings(8)
    noisy = RuleSettings(6, 8, start="noise", noise_level=1, decoder=decoder)
    save_rule(
        folder(tmp_path / "fine") / "coral-fine.safetensors",
        with_random_decoder(noisy),
    )
    trained = {"training": {"settings": {"size": 64}}}
    save_rule(folder(tmp_path / "plain") / "coral.safetensors", decaying(0.4), trained)
    rough = bounded_rule(RuleSettings(6, 8, start="noise", noise_level=1))
    save_rule(folder(tmp_path / "large") / "coral.safetensors", rough)
    pictures = folder(tmp_path / "pictures")
    draw("coral", 128).save(pictures / "coral.png")
    draw("lava", 128).save(pictures / "lava.png")  # has no rules
    fine.main(tmp_path / "fine", tmp_path / "plain", [pictures], tmp_path / "large")
    head, line, coral = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in coral.strip("|").split("|")]
    assert head.count("|") == line.count("|") == coral.count("|") == 11
    assert cells[0] == "coral"
    values = [float(cell) for cell in cells[1:]]
    assert len(set(values[:3])) == 3
    assert values[5] > 1 > values[4]  # noise has more speckle than an enlarged texture
    enlarged = fine.enlarged_texture(tmp_path / "plain" / "coral.safetensors", 128)
    assert enlarged.picture.shape[1] == 128


@pytest.mark.usefixtures("small")
def test_files_that_cannot_be_compared_are_named(tmp_path: Path) -> None:
    save_rule(tmp_path / "coral.safetensors", decaying(0.4))
    with pytest.raises(InputError, match=r"coral.safetensors: has no decoder"):
        fine.fine_texture(tmp_path / "coral.safetensors")
    with pytest.raises(InputError, match="48 pixels cannot be enlarged to 128"):
        fine.grow(decaying(0.4), 48, 128)
    with pytest.raises(InputError, match="nowhere"):
        fine.main(tmp_path / "nowhere", tmp_path, [tmp_path], tmp_path)


@pytest.mark.usefixtures("small")
def test_a_fine_rule_is_trained_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[EvalSettings] = []
    monkeypatch.setattr(gallery, "SIZE", 256)
    monkeypatch.setattr(gallery, "ITERATIONS", 2)
    monkeypatch.setattr(gallery, "train_settings", quick_settings)
    monkeypatch.setattr(gallery, "evaluate", measured.append)
    gallery.main(tmp_path, ["coral-fine"])
    file = load_rule(tmp_path / "coral-fine.safetensors")
    assert file.rule.settings.pixels_per_cell == 8
    assert file.info["training"]["target"] == "coral-fine.png"
    assert file.info["license"] == "MIT"
    assert measured[0].target == tmp_path / "pictures" / "coral-fine.png"
    with Image.open(measured[0].target) as picture:
        assert picture.size == (256, 256)
    with Image.open(tmp_path / "coral-fine.png") as sheet:
        assert sheet.width > 3 * 256  # target, without a decoder, with a decoder
    (tmp_path / "coral-fine.safetensors").unlink()
    monkeypatch.setattr(Learner, "_one_batch", None)  # nothing is left to train
    gallery.main(tmp_path, ["coral-fine"])
    again = load_rule(tmp_path / "coral-fine.safetensors").rule
    assert torch.equal(again.w1, file.rule.w1)
    with pytest.raises(InputError, match="no image is called 'velvet'"):
        gallery.main(tmp_path, ["velvet-fine"])


def test_a_fine_rule_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.gallery.FOLDERS", FOLDERS | {"fine": tmp_path})
    save_rule(tmp_path / "coral-fine.safetensors", decaying(0.4))
    assert gallery_path("coral-fine") == tmp_path / "coral-fine.safetensors"
    assert "coral-fine" not in bundled()
    assert bundled("plain", "fine")[-1] == "coral-fine"


@pytest.mark.usefixtures("small")
def test_a_rule_of_a_material_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[EvalSettings] = []
    monkeypatch.setattr(gallery, "ITERATIONS", 2)
    monkeypatch.setattr(gallery, "train_settings", quick_settings)
    monkeypatch.setattr(gallery, "evaluate", measured.append)
    gallery.main(tmp_path, ["weave-material"])
    file = load_rule(tmp_path / "weave-material.safetensors")
    assert file.rule.settings.maps[:2] == ("color", "normal")
    assert file.info["training"]["target"] == "weave"
    assert measured[0].target == material_path("weave")
