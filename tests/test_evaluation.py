import json
from pathlib import Path

import pytest
import scipy.stats
import torch
from torch import Tensor

from nca.errors import InputError
from nca.evaluation import report as report_module
from nca.evaluation.measures import (
    Moment,
    PatchDistance,
    PlaceDistance,
    color_distance,
    follow,
    heal,
    seam,
)
from nca.evaluation.report import evaluate, verdict
from nca.evaluation.settings import EvalSettings
from nca.pictures import draw
from nca.rule import Rule, RuleSettings
from nca.rulefile import save_rule


def waves(size: int = 64, period: float = 8.0) -> Tensor:
    """A picture that tiles, [1, 3, size, size]."""
    y, x = torch.meshgrid(*2 * [torch.arange(size, dtype=torch.float32)], indexing="ij")
    phase = 2 * torch.pi / period * (x + y)
    return torch.stack([phase.sin(), phase.cos(), (2 * phase).sin()])[None] * 0.4 + 0.5


def test_patch_distance_is_a_distance_of_distributions() -> None:
    distance = PatchDistance(waves())
    assert float(distance(waves())) < 0.05 * float(distance(waves(period=16)))
    moved = torch.cat([waves(), waves().roll((5, 9), (2, 3))])
    near, shifted = distance(moved).tolist()
    assert near == pytest.approx(shifted, abs=0.5)  # pixels of the pyramid fall otherwise


def test_color_distance_is_wasserstein_on_a_line() -> None:
    """Of greys, every direction sees the same distribution, scaled."""
    mine = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)).expand(1, 3, -1, -1)
    theirs = mine**2
    grey = scipy.stats.wasserstein_distance(mine[0, 0].flatten(), theirs[0, 0].flatten())
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(100_000, 3, generator=generator), dim=1)
    expected = 100 * grey * float(directions.sum(1).abs().mean())
    assert float(color_distance(mine, theirs)) == pytest.approx(expected, rel=0.1)
    assert float(color_distance(mine, mine)) == 0


def test_place_distance_finds_what_is_wrong_and_what_is_missing() -> None:
    distance = PlaceDistance(waves())
    assert distance(waves(32)) < 0.01  # rounding of cdist
    spoiled = waves(32).clone()
    spoiled[:, :, 10:20, 10:20] = torch.rand(1, 3, 10, 10)
    assert distance(spoiled) > 1
    flat = torch.cat([waves(), torch.full((1, 3, 64, 32), 0.5)], 3)
    assert PlaceDistance(flat)(flat[:, :, :, 72:]) > 10  # near to some patch, but what of the rest


def test_seam_is_one_where_a_picture_tiles() -> None:
    assert seam(waves()[0]) == pytest.approx(1, abs=0.3)
    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
    assert seam(ramp) > 50


def moment(steps: int, **values: float) -> Moment:
    normal = {"patch": 1.0, "color": 1.0, "flicker": 1.0, "saturated": 0.0, "largest": 1.0}
    return Moment(steps, **normal | values, picture=torch.zeros(3, 1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "word"),
    [
        ([moment(1000), moment(10_000)], "stable"),
        ([moment(1000), moment(10_000, patch=1.6)], "drifted by 10,000 steps"),
        ([moment(1000, saturated=0.3), moment(10_000)], "saturated after 1,000 steps"),
        ([moment(1000), moment(10_000, flicker=0.0)], "frozen after 10,000 steps"),
        ([moment(1000)], "blew up before 10,000 steps"),
        ([], "blew up before 1,000 steps"),
    ],
)
def test_verdicts(run: list[Moment], word: str) -> None:
    assert verdict(run, [1000, 10_000]) == word


def test_a_run_that_blows_up_ends_there() -> None:
    rule = Rule(RuleSettings(4, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rule.w2 += 1
    assert [m.steps for m in follow(rule, waves(), [1, 2000], (16, 16), 0)] == [1]


def decaying(level: float) -> Rule:
    """A rule whose cells all go to one grey by a fifth of the way in a step."""
    rule = Rule(RuleSettings(4, 8, rgb_offset=0.0), update_bias=True)
    with torch.no_grad():
        rule.w1.zero_()
        rule.b1.zero_()
        for c in range(4):
            for unit, sign in ((2 * c, 1.0), (2 * c + 1, -1.0)):
                rule.w1[unit, 4 * c] = sign
                rule.w2[c, unit] = -0.2 * sign
        assert rule.b2 is not None
        rule.b2 += 0.2 * level
    return rule


def test_a_texture_that_comes_back_heals() -> None:
    grey = torch.full((1, 3, 64, 64), 0.5) + 0.01 * waves()
    healed = heal(decaying(0.5), grey, 64, 0)
    assert healed.steps is not None
    assert healed.steps <= 100
    assert healed.erased.min() == 0
    assert healed.after.min() > 0.4


def test_a_texture_that_does_not_come_back_is_told() -> None:
    """A rule that never changes anything shows its noise for ever; a hole in it stays."""
    rule = Rule(RuleSettings(4, 8, seed_state="noise", noise_level=1.0))
    target = rule.to_rgb(rule.seed(1, 64, 64, seed=0))
    assert heal(rule, target, 64, 0).steps is None


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    draw("coral", 64).save(tmp_path / "coral.png")
    save_rule(tmp_path / "a.safetensors", decaying(0.4))
    return tmp_path / "a.safetensors", tmp_path / "coral.png"


def test_the_report_has_every_figure(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "SIZE_STEPS", 100)  # not 1000: the sizes are large
    rule, target = files
    settings = EvalSettings(rule, target, tmp_path / "r.html", size=64, steps=1000, peer=rule)
    evaluate(settings)
    report = json.loads((tmp_path / "r.json").read_text())
    figures = report["rules"][str(rule)]
    assert [m["steps"] for m in figures["run"]] == [100, 1000]
    assert set(figures["sizes"]) == {"64x64", "256x256", "512x512", "77x31"}
    assert {"builtin, gram", "random, gram", "patches, transport"} <= set(figures["losses"])
    assert figures["exports"]["shadertoy"]["characters"] > 1000
    assert figures["exports"]["html"]["bytes"] >= 10_000
    assert figures["run"][0]["drift"] == 1
    assert figures["run"][1]["drift"] == figures["run"][1]["patch"] / figures["run"][0]["patch"]
    assert len(figures["healing"]["steps"]) == 4
    page = (tmp_path / "r.html").read_text()
    assert page.count('class="who r1"') == 4
    assert page.count("data:image/png;base64,") > 20
    assert "http" not in page.replace("http-equiv", "")
    with pytest.raises(InputError, match="already there"):
        evaluate(settings)


def test_settings_out_of_range_are_named(files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="--steps 10: must be 1000 to"):
        EvalSettings(*files, steps=10)
