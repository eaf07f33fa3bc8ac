"""Pictures and textures that WGSL modules draw, compared with torch."""

import importlib.util
import json
from typing import Any

import numpy as np
import pytest
import torch

from nca.decoder import DecoderSettings, interpolate
from nca.exporters.hosts import wgsl
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files
from nca.exporters.wgsl.device import Runner
from nca.maps import MapName
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.conftest import absent
from tests.helpers.rules import DECODERS, bounded_rule, with_random_decoder
from tests.viewer.simulation.lit import fine

pytestmark = pytest.mark.gl

HEIGHT, WIDTH = 6, 9
ALL_MAPS: tuple[MapName, ...] = (
    "color", "normal", "height", "roughness", "occlusion", "metalness",
)  # fmt: skip


@pytest.fixture(autouse=True)
def needs_wgpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wgpu") is None:
        absent("wgpu")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")


class Drawer(Runner):
    """Draws into textures of floats."""

    def draw(self, entry: str, output: int, pixels: tuple[int, int], per_cell: float) -> np.ndarray:
        """An output of an entry point, as [h, w, 4]; ``pixels`` are (h, w)."""
        height, width = pixels
        size = (width, height, 1)
        formats = [*["r8unorm"] * output, "rgba32float"]  # others are not read
        usage = self.wgpu.TextureUsage
        targets = [
            self.device.create_texture(
                size=size, format=each, usage=usage.RENDER_ATTACHMENT | usage.COPY_SRC
            )
            for each in formats
        ]
        pipeline = self.device.create_render_pipeline(
            layout="auto",
            vertex={"module": self.shader, "entry_point": "nca_vertex"},
            fragment={
                "module": self.shader,
                "entry_point": entry,
                "targets": [{"format": each} for each in formats],
            },
            primitive={"topology": "triangle-list"},
        )
        encoder = self.device.create_command_encoder()
        render = encoder.begin_render_pass(
            color_attachments=[
                {"view": target.create_view(), "load_op": "clear", "store_op": "store"}
                for target in targets
            ]
        )
        words = np.array([self.shape[2], self.shape[1], 0, 0], "<i4").tobytes() + bytes(16)
        words += np.array([width, height, 1 / per_cell, 0], "<f4").tobytes()
        render.set_pipeline(pipeline)
        render.set_bind_group(0, self.bind_group(entry, pipeline, words, {1: self.textures[0]}))
        render.draw(3)
        render.end()
        self.device.queue.submit([encoder.finish()])
        layout = {"bytes_per_row": 16 * width, "rows_per_image": height}
        data = self.device.queue.read_texture({"texture": targets[-1]}, layout, size)
        return np.frombuffer(data, np.float32).reshape(height, width, 4)


def some_state(channels: int) -> torch.Tensor:
    return torch.rand(1, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) - 0.5


def drawer(rule: Rule, state: torch.Tensor, weights: Any = "auto") -> tuple[Drawer, Files]:
    files = wgsl.TARGET.build({"rule": RuleFile(rule)}, ExportOptions(weights=weights))
    return Drawer(files, state[0], (1.0, 0.0)), files


def check_picture(runner: Drawer, rule: Rule, state: torch.Tensor, scale: int) -> None:
    expected = rule.to_image(state, scale=scale)[0].detach().permute(1, 2, 0).numpy()
    got = runner.draw("nca_fragment", 0, expected.shape[:2], scale)
    spread = float(expected.max() - expected.min())
    assert np.abs(got[..., :3] - expected.clip(0, 1)).max() < 1e-5 * spread
    assert spread > 0.5


@pytest.mark.parametrize("weights", ["inline", "texture"])
@pytest.mark.parametrize(("channels", "settings", "decoder", "scale"), DECODERS)
def test_a_module_draws_the_picture_of_a_decoder(
    weights: str, channels: int, settings: dict[str, Any], decoder: dict[str, Any], scale: int
) -> None:
    fine = DecoderSettings(scale=scale, **decoder)
    rule = with_random_decoder(RuleSettings(channels, 4, **settings, rgb_offset=0.5, decoder=fine))
    state = some_state(channels)
    runner, _ = drawer(rule, state, weights)
    check_picture(runner, rule, state, scale)


@pytest.mark.parametrize("padding", ["circular", "reflect", "replicate", "zeros"])
def test_cells_are_interpolated_without_a_decoder(padding: Any) -> None:
    rule = bounded_rule(RuleSettings(4, 8, padding, rgb_offset=0.5))
    state = some_state(4)
    runner, _ = drawer(rule, state)
    check_picture(runner, rule, state, 1)
    check_picture(runner, rule, state, 5)


def test_a_small_picture_is_the_mean_of_a_fine_one() -> None:
    decoder = DecoderSettings(scale=8)
    rule = with_random_decoder(RuleSettings(4, 4, rgb_offset=0.5, decoder=decoder))
    state = some_state(4)
    runner, _ = drawer(rule, state)
    fine = rule.to_image(state, scale=8).detach().clamp(0, 1)
    expected = torch.nn.functional.avg_pool2d(fine, 4)[0].permute(1, 2, 0).numpy()
    got = runner.draw("nca_fragment", 0, (2 * HEIGHT, 2 * WIDTH), 2)
    assert np.abs(got[..., :3] - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (ALL_MAPS, {"normal", "packed", "height"}),
        (("color", "metalness", "normal"), {"normal", "packed"}),
        (("color", "roughness"), {"packed"}),
        ((), set()),
    ],
)
@pytest.mark.parametrize("per_cell", [1, 2])
def test_textures_are_the_maps_of_torch(
    maps: tuple[MapName, ...], expected: set[str], per_cell: int
) -> None:
    rule = bounded_rule(RuleSettings(11, 8, rgb_scale=0.8, rgb_offset=0.5, maps=maps))
    state = some_state(11)
    runner, files = drawer(rule, state)
    names = [texture["name"] for texture in json.loads(files["manifest.json"])["textures"]]
    assert names[0] == "color"
    assert set(names[1:]) == expected
    rows, columns = ((torch.arange(count * per_cell) + 0.5) / per_cell for count in (HEIGHT, WIDTH))
    fine = interpolate(rule.pad(state), rows, columns, wraps=True)
    drawn = {name: value.clamp(0, 1)[0].numpy() for name, value in rule.to_maps(fine).items()}
    ones = np.ones((1, HEIGHT * per_cell, WIDTH * per_cell), np.float32)
    parts = {"occlusion": ones, "roughness": ones, "metalness": 0 * ones} | drawn
    drawn["packed"] = np.concatenate([parts[k] for k in ("occlusion", "roughness", "metalness")])
    for output, name in enumerate(names):
        got = runner.draw("nca_textures", output, ones.shape[1:], per_cell)
        wanted = drawn[name].transpose(1, 2, 0)
        assert np.abs(got[..., : wanted.shape[2]] - wanted).max() < 1e-5
        assert wanted.std() > 0.1


def test_the_color_texture_of_a_decoder_is_its_picture() -> None:
    rule = with_random_decoder(RuleSettings(4, 4, rgb_offset=0.5, decoder=DecoderSettings(scale=4)))
    state = some_state(4)
    runner, files = drawer(rule, state)
    assert json.loads(files["manifest.json"])["pixels_per_cell"] == 4
    got = runner.draw("nca_textures", 0, (4 * HEIGHT, 4 * WIDTH), 4)
    expected = rule.to_image(state)[0].detach().clamp(0, 1).permute(1, 2, 0).numpy()
    assert np.abs(got[..., :3] - expected).max() < 1e-5


@pytest.mark.parametrize("weights", ["inline", "texture"])
@pytest.mark.parametrize(
    ("maps", "settings"),
    [
        (ALL_MAPS, {"seed": 2}),
        (("color", "roughness", "normal"), {"seed": 1, "rgb_scale": 0.7}),
        (
            ("color", "normal", "height"),
            {"channels": 9, "padding": "zeros", "alive_threshold": 0.1},
        ),
        (("color", "height"), {"channels": 5, "decoder": DecoderSettings(5, 1, (17, 21), "sine")}),
    ],
    ids=["all", "few", "alive", "waves"],
)
def test_a_decoder_draws_all_maps(weights: str, maps: Any, settings: dict[str, Any]) -> None:
    rule = fine(*maps, **settings)
    state = some_state(rule.settings.channels) * 2
    runner, files = drawer(rule, state, weights)
    drawn = {name: value.detach().clamp(0, 1)[0] for name, value in rule.to_maps(state).items()}
    height, width = drawn["color"].shape[1:]
    ones = torch.ones(1, height, width)
    parts = {"occlusion": ones, "roughness": ones, "metalness": 0 * ones} | drawn
    drawn["packed"] = torch.cat([parts[k] for k in ("occlusion", "roughness", "metalness")])
    names = [texture["name"] for texture in json.loads(files["manifest.json"])["textures"]]
    for output, name in enumerate(names):
        got = runner.draw("nca_textures", output, (height, width), rule.settings.pixels_per_cell)
        wanted = drawn[name].permute(1, 2, 0).numpy()
        assert np.abs(got[..., : wanted.shape[2]] - wanted).max() < 2e-5
        assert wanted.std() > 0.05
    check_picture(runner, rule, state, rule.settings.pixels_per_cell)


def test_dead_cells_are_flat() -> None:
    rule = bounded_rule(RuleSettings(6, 8, rgb_offset=0.5, maps=("color", "normal")))
    runner, _ = drawer(rule, torch.zeros(1, 6, HEIGHT, WIDTH))
    got = runner.draw("nca_textures", 1, (HEIGHT, WIDTH), 1)
    assert (got == (0.5, 0.5, 1.0, 1.0)).all()
