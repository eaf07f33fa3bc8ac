"""The gallery: a folder that works without changes, in a real browser."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.exporters.command import export
from nca.exporters.hosts import gallery
from nca.exporters.hosts.gallery import thumbnail, zip_archive
from nca.exporters.settings import ExportOptions
from nca.images import read_image, to_image, to_tensor
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile, load_rule
from tests.helpers.browsing import until
from tests.helpers.rules import bounded_rule, with_random_decoder
from tests.viewer.simulation.lit import MANY, Scene, material

NASTY = '</script><script>alert(1)</script> "x"'


def some_rules() -> dict[str, RuleFile]:
    settings = RuleSettings(4, 8, start="noise", noise_level=0.8)
    return {
        name: RuleFile(bounded_rule(settings, seed=seed), {"author": "Ann", "license": "CC0-1.0"})
        for seed, name in enumerate(("lava", "sand", NASTY))
    }


@pytest.fixture
def folder(tmp_path: Path, quick_thumbnails, gl) -> Path:
    del quick_thumbnails
    export(some_rules(), "gallery", tmp_path / "gallery", ExportOptions(), context=gl)
    return tmp_path / "gallery"


@pytest.mark.gl
def test_every_rule_has_its_page_code_and_file(folder):
    stems = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert stems == ["lava", "sand", "script-script-alert-1-script-x"]
    text = (folder / "index.html").read_text()
    for link in re.findall(r'(?:href|src)="([^"]+)"', text):
        assert link.startswith("data:") or (folder / link).is_file(), link
    for stem, (name, file) in zip(stems, some_rules().items(), strict=True):
        inside = folder / stem
        assert load_rule(inside / "rule.safetensors").rule.settings == file.rule.settings
        assert json.loads((inside / "shadertoy.json").read_text())["Shader"]["renderpass"]
        with zipfile.ZipFile(inside / "glsl.zip") as archive:
            assert json.loads(archive.read("manifest.json"))["name"] == name
        assert read_image(inside / "thumbnail.png").size == (128, 128)
    assert "CC0-1.0" in text
    assert "<script>alert" not in text


@pytest.mark.gl
@pytest.mark.browser
def test_a_texture_lives_while_it_is_pointed_at(folder, open_page):
    page = open_page(folder / "index.html")
    assert page.locator("nca-texture").count() == 0
    for stem in ("lava", "sand"):
        page.hover(f'[data-stem="{stem}"]')
        until(
            page, 'document.querySelector("nca-texture.grown")?.player?.simulation.stepNumber > 200'
        )
        alive = page.locator("nca-texture")
        assert alive.count() == 1
        assert alive.get_attribute("rule") == stem
        page.mouse.move(1, 1)
        until(page, '!document.querySelector("nca-texture")')
    page.focus('[data-stem="lava"]')
    until(page, 'document.querySelector("nca-texture")?.player?.simulation.stepNumber > 2')


@pytest.mark.gl
@pytest.mark.browser
def test_nothing_moves_for_those_who_want_none(folder, open_page):
    page = open_page(folder / "index.html", reduced_motion="reduce")
    page.hover('[data-stem="lava"]')
    page.wait_for_timeout(400)
    assert page.locator("nca-texture").count() == 0


@pytest.mark.gl
@pytest.mark.browser
def test_a_nasty_name_stays_text_and_its_page_opens(folder, open_page):
    page = open_page(folder / "index.html")
    assert page.locator("h2").nth(2).inner_text() == NASTY
    page.click("h2 a >> nth=0")
    until(page, "globalThis.nca && nca.player.simulation.stepNumber > 2")
    assert page.title() == "lava"


@pytest.mark.gl
def test_thumbnails_are_what_torch_grows(gl, monkeypatch):
    monkeypatch.setattr(gallery, "THUMBNAIL_STEPS", 12)
    rule = next(iter(some_rules().values())).rule
    state = rule.initial_state(1, 128, 128, seed=3)
    expected = to_image(rule.to_rgb(rule(state, 12, seed=3))[0])

    wanted = torch.tensor(list(expected.tobytes())).float()
    assert wanted.std() > 5
    picture = Image.open(io.BytesIO(thumbnail(rule, 3, gl))).convert("RGB")
    got = torch.tensor(list(picture.tobytes())).float()
    assert (got - wanted).abs().max() <= 1


@pytest.mark.gl
def test_thumbnails_of_decoders_are_fine_and_of_materials_lit(gl, monkeypatch):
    monkeypatch.setattr(gallery, "THUMBNAIL_STEPS", 12)
    fine = with_random_decoder(RuleSettings(4, 8, "zeros", decoder=DecoderSettings(5)))
    state = fine(fine.initial_state(1, 51, 51, seed=3), 12, seed=3)
    wanted = fine.to_image(state)[0].detach()
    assert wanted.std() > 0.05
    got = to_tensor(Image.open(io.BytesIO(thumbnail(fine, 3, gl))).convert("RGB"))
    assert (got - wanted.clamp(0, 1)).abs().max() < 1.5 / 255

    stone = material(*MANY, start="noise", noise_level=0.5)
    scene = Scene(
        [stone],
        [torch.ones(128, 128)],
        stone(stone.initial_state(1, 128, 128, seed=3), 12, seed=3)[0],
        (0, 0, 128, 128),
        (256, 256),
    )
    got = to_tensor(Image.open(io.BytesIO(thumbnail(stone, 3, gl))).convert("RGB"))
    lit = torch.from_numpy(scene.picture()).permute(2, 0, 1)
    assert (got - lit).abs().max() < 1.5 / 255


@pytest.mark.gl
@pytest.mark.browser
def test_decoders_and_materials_live_in_the_gallery(tmp_path, quick_thumbnails, gl, open_page):
    del quick_thumbnails
    fine = with_random_decoder(RuleSettings(4, 8, decoder=DecoderSettings(8)))
    rules = {"fine": RuleFile(fine), "stone": RuleFile(material(*MANY))}
    files = gallery.TARGET.build(rules, ExportOptions())
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    page = open_page(tmp_path / "index.html", reduced_motion="no-preference")
    player = 'document.querySelector("nca-texture")?.player'
    for stem, view, cells in (("fine", "colors", 32), ("stone", "lit", 128)):
        page.hover(f'[data-stem="{stem}"]')
        until(page, f"{player}?.shown && {player}.view === '{view}'")
        assert page.evaluate(f"[{player}.simulation.width, {player}.gl.getError()]") == [cells, 0]
        page.mouse.move(1, 1)
        until(page, '!document.querySelector("nca-texture")')
    # The lamp follows the pointer.
    box = page.locator('[data-stem="stone"]').bounding_box()
    page.hover('[data-stem="stone"]')
    until(page, f"{player}?.shown")
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    assert page.evaluate(f"{player}.look.lamp") == pytest.approx([0.25, 0.75], abs=0.03)


def test_the_same_files_zip_to_the_same_bytes():
    assert zip_archive({"b": b"2", "a": b"1"}) == zip_archive({"a": b"1", "b": b"2"})


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one rule"):
        export({}, "gallery", tmp_path / "a", ExportOptions())
    rule = Rule(RuleSettings(4, 4))
    with torch.no_grad():
        rule.b1[0] = float("inf")
    with pytest.raises(InputError, match="b1 holds a number"):
        export({"bad": RuleFile(rule)}, "gallery", tmp_path / "a", ExportOptions())
    (tmp_path / "a").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        export(some_rules(), "gallery", tmp_path / "a", ExportOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
