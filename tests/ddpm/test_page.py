"""Images that the shaders of a page draw from noise, compared with torch."""

import json
from pathlib import Path
from typing import Any

import moderngl
import pytest
import torch
from torch import nn

from nca.cli import main
from nca.ddpm.diffusion.draw import noise_levels
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.page import parity
from nca.ddpm.page.page import SAMPLER, denoiser_data, mix
from nca.ddpm.page.parity import hash_sample, measure_denoiser
from nca.errors import GraphicsError, InputError
from tests.helpers.ddpm_run import trained_run, untrained_automaton

SMALL: dict[str, Any] = {"cell_channels": 20, "cell_hidden": 16, "cell_steps": 4}


@pytest.mark.gl
@pytest.mark.parametrize(
    ("colors", "side", "changes"),
    [
        (1, 12, {**SMALL, "classes": True}),
        (1, 13, {**SMALL, "target": "noise", "schedule": "linear"}),  # cells exceed the image
        (3, 12, {**SMALL, "cell_channels": 40, "target": "edm", "schedule": "karras"}),
        (3, 9, {**SMALL, "patch": 1, "cell_channels": 17, "target": "image"}),
    ],
)
def test_a_whole_sampling_is_near_torch(
    gl: moderngl.Context, colors: int, side: int, changes: dict[str, Any]
) -> None:
    run = untrained_automaton(colors, side, **changes)
    difference = measure_denoiser(run, denoiser_data(run, 5), gl)
    assert difference.largest is not None, difference.reason
    assert difference.largest < 1e-4
    image, other = (hash_sample(run, 20, seed) for seed in (5, 6))
    assert image.shape == (colors, side, side)
    assert image.std() > 0.05
    assert not torch.allclose(image, other, atol=1e-3)


@pytest.mark.gl
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("-6.)", "-5.9)"), ("nca_place(nca_at).x", "nca_place(nca_at).y"), ("nca_mix.z*", "0.9*")],
)
def test_a_spoiled_shader_is_found_out(gl: moderngl.Context, right: str, wrong: str) -> None:
    run = untrained_automaton(1, 12, **SMALL)
    text = json.dumps(denoiser_data(run, 5))
    assert right in text
    largest = measure_denoiser(run, json.loads(text.replace(right, wrong)), gl).largest
    assert largest is not None
    assert largest > 1e-3


def test_the_table_is_the_sampler() -> None:
    x = torch.randn(3, 1, 1, 4, 4, dtype=torch.float64)  # noised, two estimates
    model = untrained_automaton(1, 12, **SMALL).model
    sigmas = noise_levels(model.schedule, 2, SAMPLER)
    estimates = iter(x[1:])
    expected = build_sampler(SAMPLER)(lambda *_: next(estimates), x[0], sigmas, lambda: x[0])
    image = sum(f * part for f, part in zip(mix(sigmas[:1], sigmas[1]), x, strict=True))
    factors = mix([sigmas[1], sigmas[0]], sigmas[2])
    image = factors[0] * image + factors[1] * x[2] + factors[2] * x[1]
    torch.testing.assert_close(image, expected)


def test_without_graphics_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise GraphicsError("no OpenGL here")

    monkeypatch.setattr(parity, "open_headless", none)
    run = untrained_automaton(1, 12, **SMALL)
    assert str(measure_denoiser(run, denoiser_data(run, 0))) == "not measured: no OpenGL here"


@pytest.mark.gl
def test_the_command_makes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained_run(tmp_path, net="nca", **SMALL)
    page = tmp_path / "page.html"
    command = ["export", str(run.path.parent), "--out", str(page)]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(str(page))
    assert float(said[1].rpartition(": ")[2]) < 1e-4
    assert "<title>run</title>" in page.read_text()
    for words, complaint in [
        (command, f"nca: {page} exists already"),
        ([*command, "--to", "glsl"], "nca: --to glsl: a diffusion model can only be exported to"),
        (["export", str(run.path), *command[1:]], "nca: 2 files: export a diffusion model alone"),
        (command[:2], "nca: --out is missing: the file for --to html"),
    ]:
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(complaint)


def test_other_networks_are_refused() -> None:
    run = untrained_automaton(1, 12, **SMALL)
    run.model.network = nn.Identity()
    with pytest.raises(InputError, match="is a U-Net; only automata"):
        denoiser_data(run, 0)
