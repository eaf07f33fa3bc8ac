"""Completing photographs with a rule."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.cli import main
from nca.commands.fill import fill, frame_of, with_margin
from nca.commands.guided import run_guided
from nca.evaluation.measures import seam
from nca.gallery import gallery_path
from nca.images import read_image, read_texture, to_image, to_tensor
from nca.pictures import picture_path
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import load_rule, save_rule
from tests.helpers.rules import bounded_rule

CORAL = gallery_path("coral")


@pytest.fixture(scope="module")
def crop() -> torch.Tensor:
    """A part of a picture; the whole picture tiles, the part does not."""
    return read_texture(picture_path("coral"), 128)[:, :100, :100]


@pytest.mark.parametrize("cell", [1, 3])
@pytest.mark.parametrize("padding", ["circular", "replicate", "zeros"])
def test_only_the_part_changes(cell: int, padding: str) -> None:
    rule = bounded_rule(RuleSettings(6, 16, padding=padding))  # type: ignore[arg-type]
    photo = torch.rand(3, 25, 34, generator=torch.Generator().manual_seed(0))
    free = torch.zeros(25, 34, dtype=torch.bool)
    free[4:9, 20:34] = True
    result = fill(rule, photo, free, 12, cell=cell)
    assert torch.equal(result[:, ~free], photo[:, ~free])
    assert (result[:, free] != photo[:, free]).float().mean() > 0.9
    assert 0 <= result.min() <= result.max() <= 1


def seam_peak(image: torch.Tensor) -> float:
    """Change across the wrapped border, relative to the largest change within three pixels of it.

    Unlike :func:`seam`, it does not count lines of the texture that happen to run along the border.
    """
    ratios = []
    for axis in (1, 2):
        change = (image - image.roll(1, axis)).abs().mean((0, 3 - axis))
        ratios.append(float(change[0] / torch.cat([change[-3:], change[1:4]]).max()))
    return max(ratios)


def test_a_photograph_tiles_when_its_frame_is_filled(crop: torch.Tensor) -> None:
    assert seam(crop) > 3
    assert seam_peak(crop) > 2
    result = fill(load_rule(CORAL).rule, crop, frame_of(crop), 300)
    assert seam(result) < 1.5
    assert seam_peak(result) <= 1.1
    assert torch.equal(result[:, 10:-10, 10:-10], crop[:, 10:-10, 10:-10])


def change_across(image: torch.Tensor, part: slice) -> float:
    """Mean change across the upper and lower border of a square part."""
    first, last = part.start, part.stop - 1
    edges = image[:, [first - 1, last], part] - image[:, [first, last + 1], part]
    return float(edges.abs().mean())


def test_the_texture_grows_onto_what_surrounds_it(crop: torch.Tensor) -> None:
    rule, part = load_rule(CORAL).rule, slice(30, 70)
    hole = torch.zeros(100, 100, dtype=torch.bool)
    hole[part, part] = True
    result = fill(rule, crop, hole, 300)
    assert 0.7 < float(result[:, hole].std() / crop[:, hole].std()) < 1.3
    alone = fill(rule, crop, torch.ones_like(hole), 300)
    pasted = torch.where(hole, alone, crop)
    assert change_across(result, part) < 0.85 * change_across(pasted, part)


def test_cells_of_a_growing_rule_live(crop: torch.Tensor) -> None:
    rule = bounded_rule(RuleSettings(6, 16, alive_threshold=0.1, start="center", padding="zeros"))
    result = fill(rule, crop, frame_of(crop), 4)
    assert result[:, frame_of(crop)].std() > 0


def test_a_margin_surrounds_the_photograph() -> None:
    photo, free = with_margin(torch.ones(3, 5, 7), 2)
    assert photo.shape == (3, 9, 11)
    assert torch.equal(photo[0] == 0, free)
    assert free.sum() == 9 * 11 - 5 * 7


def test_the_command_keeps_the_dark_parts_of_a_mask(tmp_path: Path, crop: torch.Tensor) -> None:
    to_image(crop).save(tmp_path / "p.png")
    mask = Image.new("L", (100, 100))
    mask.paste(255, (40, 20, 60, 90))
    mask.save(tmp_path / "m.png")
    words = ["play", str(CORAL), str(tmp_path / "p.png"), "--steps", "8", "--out"]
    assert main([*words, str(tmp_path / "a.png"), "--mask", str(tmp_path / "m.png")]) == 0
    before, after = (to_tensor(read_image(tmp_path / name)) for name in ("p.png", "a.png"))
    changed = before != after
    assert changed[:, 20:90, 40:60].any()
    changed[:, 20:90, 40:60] = False
    assert not changed.any()
    assert main([*words, str(tmp_path / "b.png"), "--expand", "9"]) == 0
    assert main([*words, str(tmp_path / "c.png"), "--tile"]) == 0
    sizes = [read_image(tmp_path / name).size for name in ("b.png", "c.png")]
    assert sizes == [(118, 118), (100, 100)]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--mask", "wide.png"],
            "is 90x20; its proportions must be those of the photograph",
        ),
        (["--mask", "dark.png"], "dark.png: is dark everywhere; light parts are filled"),
        (["--mask", "none.png"], "none.png"),
        (["--expand", "0"], "--expand 0: must be 1 to 2048"),
        (["--tile"], "--tile: the rule has zeros padding, not circular"),
        (["--tile", "--expand", "3"], "--expand and --tile exclude each other"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_rule(Path("r.safetensors"), Rule(RuleSettings(4, 8, padding="zeros")))
    Image.effect_noise((40, 40), 50).save("p.png")
    Image.new("L", (90, 20), 255).save("wide.png")
    Image.new("L", (40, 40)).save("dark.png")
    assert main(["play", "r.safetensors", "p.png", "--out", "o.png", *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not Path("o.png").exists()


def test_a_run_that_follows_colors_is_never_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nca.backends.simulate.CALM_AFTER", 3)
    rule = bounded_rule(RuleSettings(4, 8))
    colors = torch.full((1, 3, 8, 8), 0.2)
    usual, calm = (
        run_guided(one, torch.zeros(1, 4, 8, 8), colors, lambda step: 0.1, 8, seed=0)
        for one in (rule, rule.with_settings(calm=True))
    )
    assert torch.equal(usual, calm)
