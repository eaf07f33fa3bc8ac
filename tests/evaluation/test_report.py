import base64
import dataclasses
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.evaluation import report as report_module
from nca.evaluation.evaluation import verdict
from nca.evaluation.healing import heal
from nca.evaluation.measures import Measurement, PatchDistance, follow
from nca.evaluation.page import number
from nca.evaluation.report import Measured, evaluate
from nca.evaluation.settings import EvalSettings
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile, save_rule
from tests.helpers.known_rules import decaying, exploding, linear, swinging
from tests.helpers.picture_makers import domes, write_domes
from tests.helpers.rules import with_random_decoder
from tools.pictures import draw


def moment(steps: int, **values: float) -> Measurement:
    ones = dict.fromkeys((field.name for field in dataclasses.fields(Measurement)[1:-1]), 1.0)
    return Measurement(steps, **ones | {"saturated": 0.0} | values, picture=torch.zeros(3, 1, 1))


@pytest.mark.parametrize(
    ("run", "word"),
    [
        ([moment(1000), moment(10_000)], "stable"),
        ([moment(1000), moment(10_000, patch=1.6), moment(50_000)], "drifted by 10,000 steps"),
        (
            [moment(1000), moment(10_000, patch=1.6), moment(50_000, flicker=0.0)],
            "drifted by 10,000 steps",
        ),
        ([moment(100, patch=1.6), moment(1000), moment(10_000)], "stable"),
        ([moment(1000), moment(10_000, patch=1.6)], "drifted by 10,000 steps"),
        ([moment(1000, saturated=0.3), moment(10_000)], "saturated after 1,000 steps"),
        ([moment(1000), moment(10_000, flicker=0.0)], "frozen after 10,000 steps"),
        ([moment(1000)], "blew up before 10,000 steps"),
        ([], "blew up before 1,000 steps"),
        ([moment(1000, saturated=0.3)], "saturated after 1,000 steps, blew up before 10,000 steps"),
    ],
)
def test_verdicts(run: list[Measurement], word: str) -> None:
    stops = [moment.steps for moment in run] if len(run) > 2 else [1000, 10_000]
    assert verdict(run, stops) == word


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    draw("coral", 64).save(tmp_path / "coral.png")
    save_rule(tmp_path / "a.safetensors", decaying(0.4))
    return tmp_path / "a.safetensors", tmp_path / "coral.png"


@pytest.fixture
def few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "SIZES", ((40, 31), (31, 77)))


def read_report(path: Path) -> Any:
    """Strict JSON, without NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(path.read_text(), parse_constant=refuse)


def shown(page: str, name: str) -> Tensor:
    """Color of the middle of the first picture of a rule, [3] of 255."""
    match = re.search(rf'src="data:image/png;base64,([^"]+)" alt="{name}"', page)
    assert match
    image = Image.open(io.BytesIO(base64.b64decode(match[1])))
    return torch.tensor(image.getpixel((32, 32)))


def test_the_report_has_every_figure_of_each_rule(
    files: tuple[Path, Path], tmp_path: Path, few_sizes: None
) -> None:
    rule, target = files
    peer = tmp_path / "b.safetensors"
    save_rule(peer, swinging(0.7))
    out = tmp_path / "r.html"
    settings = EvalSettings(rule, target, out, size=64, steps=1000, seed=5, peer=peer)
    evaluate(settings)
    report = read_report(tmp_path / "r.json")
    assert list(report["rules"]) == ["a", "b"]
    page = out.read_text()
    picture = torch.tensor(np.asarray(Image.open(target).convert("RGB"))).permute(2, 0, 1) / 255
    for name, own in (("a", decaying(0.4)), ("b", swinging(0.7))):
        figures = report["rules"][name]
        assert figures["weights"] == own.weight_count()
        assert figures["hidden"] == own.settings.hidden
        assert figures["verdict"] == "frozen after " + (
            "100 steps" if name == "a" else "1,000 steps"
        )
        stops = [m["steps"] for m in figures["run"]]
        assert stops == [100, 1000]
        distance = PatchDistance(picture[None])
        run = follow(own, picture[None], distance, stops, (64, 64), 5)
        assert [m["patch"] for m in figures["run"]] == pytest.approx([m.patch for m in run])
        assert figures["run"][0]["drift"] == figures["run"][0]["patch"] / figures["run"][1]["patch"]
        assert figures["run"][1]["drift"] == 1
        assert figures["seeds"][0] == figures["run"][1]["patch"]
        assert list(figures["sizes"]) == list(figures["size_floors"]) == ["31x40", "77x31"]
        assert figures["sizes"]["31x40"] > figures["size_floors"]["31x40"] > 0
        assert figures["size_floors"]["77x31"] is None  # wider than the target
        assert {"builtin, gram", "random, gram", "patches, transport"} <= set(figures["losses"])
        assert figures["exports"]["shadertoy"]["characters"] > 1000
        assert figures["exports"]["html"]["bytes"] >= 10_000
        assert len(figures["healing"]["steps"]) == 4
        healing = [heal(own, 64, 5 + i) for i in range(4)]
        assert figures["healing"]["outcomes"] == [h.outcome for h in healing]
        assert figures["healing"]["bounds"] == pytest.approx([h.bound for h in healing])
        level = 255 * (0.4 if name == "a" else 0.7)
        assert shown(page, name).tolist() == pytest.approx(3 * [level], abs=2)
        words = f"<b>{name}</b>, {own.settings.channels} channels, {own.settings.hidden} hidden"
        assert words in page
        row = page[page.index(f'<tr><td colspan="9"><b>{name}</b>') :]
        assert row.index(f"<td>{number(figures['run'][0]['patch'])}") < 200
        line = re.search(rf'<polyline class="r{"ab".index(name)}" points="0.0,([\d.]+)', page)
        assert line
        top = max(report["rules"][n]["run"][0]["patch"] for n in "ab")
        height = figures["run"][0]["patch"] / top
        assert 1 - float(line[1]) / 200 == pytest.approx(height, rel=0.3)
    assert page.count('class="who r1"') == 4
    assert page.count("data:image/png;base64,") > 20
    assert "http" not in page.replace("http-equiv", "")
    with pytest.raises(InputError, match="exists already"):
        evaluate(settings)


@pytest.mark.parametrize(
    ("rate", "stops", "words"),
    [
        (10, [], "blew up before 100 steps"),
        (0.6, [100], "saturated after 100 steps, blew up before 1,000 steps"),
    ],
)
def test_the_report_of_a_rule_that_blows_up_is_complete(
    rate: float,
    stops: list[int],
    words: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    few_sizes: None,
) -> None:
    path = tmp_path / "wild.safetensors"
    save_rule(path, exploding(rate))
    evaluate(EvalSettings(path, files[1], tmp_path / "r.html", size=64, steps=1000, peer=files[0]))
    figures = read_report(tmp_path / "r.json")["rules"]["wild"]
    assert figures["verdict"] == words
    assert [m["steps"] for m in figures["run"]] == stops
    assert all(m["drift"] is None for m in figures["run"])
    assert figures["seeds"] == figures["healing"]["steps"] == 4 * [None]
    assert figures["losses"] == {}
    page = (tmp_path / "r.html").read_text()
    assert f"hidden: {words}" in page
    assert "<tr><td>Patch distance<small>after 1,000 steps, mean over seeds</small><td>-" in re.sub(
        ' class="[^"]*"', "", page
    )
    assert re.search(r"<tr><td>run 4<td>blew up<td>\d+", page)
    assert "</html>" in page


class ReachedError(Exception):
    """A measurement was reached; the test needs no more."""


@pytest.fixture
def only_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_name: str, file: RuleFile, measured: Measured, _settings: EvalSettings) -> None:
        own = file.rule.settings
        raise ReachedError(measured.target.shape[-1], own.start, own.noise_level)

    monkeypatch.setattr(report_module, "measure", measure)


@pytest.mark.parametrize(
    ("info", "size", "side"),
    [
        ({"training": {"settings": {"size": 96}}}, None, 96),
        ({"training": {"settings": {"size": 96}}}, 72, 72),
        ({"training": {"settings": {"size": 32}}}, None, 64),
        ({"training": {"settings": {"size": "large"}}}, None, 128),
        ({"training": "by hand"}, None, 128),
        ({}, None, 128),
    ],
)
def test_the_size_is_what_the_rule_was_trained_at(
    info: dict[str, Any],
    size: int | None,
    side: int,
    files: tuple[Path, Path],
    tmp_path: Path,
    only_start: None,
) -> None:
    save_rule(files[0], decaying(0.4), info)
    with pytest.raises(ReachedError) as reached:
        evaluate(EvalSettings(*files, tmp_path / "r.html", size=size))
    assert reached.value.args[0] == side


def test_the_noise_of_the_seed_can_be_chosen(
    files: tuple[Path, Path], tmp_path: Path, only_start: None
) -> None:
    save_rule(files[0], exploding(0.1))
    for level in (None, 0.0, 0.25):
        with pytest.raises(ReachedError) as reached:
            evaluate(EvalSettings(*files, tmp_path / "r.html", size=64, noise=level))
        assert reached.value.args[1:] == ("noise", 1.0 if level is None else level)


def test_a_rule_with_a_decoder_is_measured_on_its_pictures(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "DECODED_SIZES", ((8, 10),))
    decoder = DecoderSettings(scale=4)
    save_rule(files[0], with_random_decoder(replace(decaying(0.4).settings, decoder=decoder)))
    out = tmp_path / "r.html"
    (evaluation,) = evaluate(EvalSettings(*files, out, size=64, steps=1000))
    (figures,) = read_report(tmp_path / "r.json")["rules"].values()
    assert (figures["pixels_per_cell"], figures["decoder_weights"]) == (4, 32 * (4 + 1) + 99)
    assert figures["sizes"]["10x8"] is not None
    assert {picture.shape for picture in evaluation.pictures["run"].values()} == {(3, 64, 64)}
    assert {picture.shape for picture in evaluation.pictures["sizes"].values()} == {(3, 32, 40)}
    assert {picture.shape for picture in evaluation.pictures["healing"].values()} == {(3, 32, 32)}
    with pytest.raises(InputError, match="`size` 66: must be a multiple of 4, the decoder's"):
        evaluate(EvalSettings(*files, tmp_path / "s.html", size=66))


@pytest.mark.parametrize("scale", [8, 16])
def test_healing_is_not_measurable_if_the_picture_has_few_cells(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: int
) -> None:
    monkeypatch.setattr(report_module, "DECODED_SIZES", ((8, 10),))
    settings = replace(decaying(0.4).settings, decoder=DecoderSettings(scale))
    save_rule(files[0], with_random_decoder(settings))
    (evaluation,) = evaluate(EvalSettings(*files, tmp_path / "r.html", size=64, steps=1000))
    assert set(evaluation.figures["healing"]["outcomes"]) == {"not measurable"}
    assert not evaluation.pictures["healing"]
    assert {picture.shape for picture in evaluation.pictures["run"].values()} == {(3, 64, 64)}
    assert "not measurable" in (tmp_path / "r.html").read_text()


def test_the_same_rule_can_be_its_own_peer(
    files: tuple[Path, Path], tmp_path: Path, few_sizes: None
) -> None:
    """With other noise it grows another picture."""
    rule, target = files
    save_rule(rule, Rule(RuleSettings(4, 8, start="noise", noise_level=1.0)))
    out = tmp_path / "r.html"
    evaluate(EvalSettings(rule, target, out, peer=rule, peer_noise=0.5, size=64, steps=1000))
    rules = read_report(tmp_path / "r.json")["rules"]
    assert [figures["noise"] for figures in rules.values()] == [1.0, 0.5]
    assert len(rules) == 2


@pytest.mark.parametrize(
    ("rule_settings", "training", "words"),
    [
        (RuleSettings(4, 8), {"grow": True}, "trained with `grow`"),
        (RuleSettings(4, 8), {"restore": True}, "trained with `restore`"),
        (RuleSettings(4, 8, alive_threshold=0.1), {}, r"cells can die \(alive_threshold 0.1\)"),
    ],
)
def test_a_rule_that_makes_no_texture_is_refused(
    rule_settings: RuleSettings,
    training: dict[str, bool],
    words: str,
    files: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    save_rule(files[0], Rule(rule_settings), {"training": {"settings": training}})
    with pytest.raises(
        InputError, match=f"a.safetensors: .*{words}.* measures rules that make a t"
    ):
        evaluate(EvalSettings(*files, tmp_path / "r.html"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"features": ("vgg61",)}, "`features` vgg61: must be one of"),
        ({"features": ("missing.safetensors",)}, "cannot read features from missing.safetensors"),
        ({"out": Path("r.json")}, "`out` r.json: is also the path of the JSON file"),
        ({"json": Path("r.html")}, "`out` r.html: is also the path of the JSON file"),
        ({"out": Path()}, "`out` .: is a folder"),
        ({"json": Path("missing/r.json")}, "missing/r.json: there is no folder missing"),
    ],
)
def test_what_is_not_available_is_reported_before_the_first_run(
    more: dict[str, Any],
    words: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    only_start: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(words)):
        evaluate(EvalSettings(*files, **{"out": Path("r.html")} | more))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"steps": 10}, "`steps` 10: must be 1000 to"),
        ({"size": 32}, "`size` 32: must be 64 to 1024"),
        ({"noise": -1.0}, "`noise` -1.0: must be 0 to 100"),
        ({"peer_noise": 0.5}, "`peer_noise` 0.5: needs a `peer`"),
    ],
)
def test_settings_out_of_range_are_named(
    values: dict[str, Any], words: str, files: tuple[Path, Path]
) -> None:
    with pytest.raises(InputError, match=words):
        EvalSettings(*files, **values)


def test_a_material_is_compared_map_by_map(tmp_path: Path, few_sizes: None) -> None:
    maps = ("color", "normal", "height")
    settings = RuleSettings(7, 14, rgb_offset=0.0, maps=maps)
    level = linear(settings, -0.2 * torch.eye(7), torch.full((7,), 0.2 * 0.4))
    for name, rule in (("a", level), ("b", decaying(0.4))):
        save_rule(tmp_path / f"{name}.safetensors", rule)
    target, out = write_domes(tmp_path / "domes"), tmp_path / "r.html"
    paths = (tmp_path / "a.safetensors", target, out)
    evaluate(EvalSettings(*paths, peer=tmp_path / "b.safetensors", size=64, steps=1000))
    rules = read_report(tmp_path / "r.json")["rules"]
    assert "maps" not in rules["b"]
    found = rules["a"]["maps"]
    values = domes(64)
    right = PatchDistance(values["height"].expand(1, 3, -1, -1))
    flat = torch.full((1, 3, 64, 64), 0.4)
    assert list(found["patch"]) == list(maps)
    assert found["patch"]["height"] == pytest.approx(float(right(flat)), rel=0.02)
    assert found["patch"]["color"] == pytest.approx(rules["a"]["seeds"][0], rel=0.02)
    assert found["alignment"]["color, height"]["material"] == pytest.approx(1, abs=0.01)
    page = out.read_text()
    for name in domes():
        assert f'alt="target: {name}"' in page
    assert [name in page for name in ("a: normal", "b: normal", "a: roughness")] == [
        True, False, False
    ]  # fmt: skip
    assert "alignment<th>" in page
