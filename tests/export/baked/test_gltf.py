"""glTF files: the Khronos validator accepts them, and their images are the maps of the rule."""

import io
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.backends.simulate import simulate
from nca.decoder import DecoderSettings
from nca.exporters.baked.gltf import STEPS, TARGET, glb
from nca.exporters.settings import ExportOptions
from nca.images import to_tensor
from nca.rule_settings import RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import fetch_npm_package
from tests.helpers.rules import bounded_rule, with_random_decoder

VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
CHECK = """
const validator = require("./package/index.js");
const data = new Uint8Array(require("fs").readFileSync(0));
validator.validateBytes(data).then((report) => console.log(JSON.stringify(report)));
"""
MAPS = ("color", "normal", "height", "roughness", "metalness")
OPTIONS = ExportOptions(grid=32, seed=3)


def material(*maps: Any, **settings: Any) -> RuleFile:
    """A rule whose maps have many values."""
    rule = bounded_rule(RuleSettings(12, 16, maps=maps, start="noise", noise_level=1, **settings))
    return RuleFile(rule, {"author": "A. Nonymous", "license": "CC0-1.0"})


def parts(data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The JSON of a binary file, and its images by name."""
    length = struct.unpack("<I", data[12:16])[0]
    document = json.loads(data[20 : 20 + length])
    content = data[28 + length :]
    images = {}
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        png = content[view["byteOffset"] :][: view["byteLength"]]
        images[image["name"]] = to_tensor(Image.open(io.BytesIO(png)))
    return document, images


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the validator."""
    folder = tmp_path_factory.mktemp("validator")
    fetch_npm_package(VALIDATOR, folder)
    return folder


@pytest.mark.parametrize("file", [material(*MAPS), material(), material(padding="zeros")])
def test_the_validator_accepts_the_file(file: RuleFile, validator: Path) -> None:
    data = glb('say "hi"\n\u00e9', file, OPTIONS)
    done = subprocess.run(
        ["node", "-e", CHECK], cwd=validator, input=data, capture_output=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["issues"]["messages"] == []
    assert report["info"]["version"] == "2.0"
    assert report["info"]["drawCallCount"] == 1


def test_the_images_are_the_maps_of_the_rule() -> None:
    file = material(*MAPS)
    document, images = parts(glb("stone", file, OPTIONS))
    (state,) = simulate(file.rule, file.rule.initial_state(1, 32, 32, seed=3), [STEPS], seed=3)
    maps = {name: values[0].clamp(0, 1) for name, values in file.rule.to_maps(state).items()}
    close = {"rtol": 0, "atol": 0.51 / 255}
    torch.testing.assert_close(images["color"], maps["color"], **close)
    torch.testing.assert_close(images["normal"], maps["normal"], **close)
    ones = torch.ones(1, 32, 32)
    packed = torch.cat([ones, maps["roughness"], maps["metalness"]])
    torch.testing.assert_close(images["packed"], packed, **close)
    assert min(float(image.std()) for image in images.values()) > 0.05
    (place,) = document["materials"]
    assert place["normalTexture"]["index"] == list(images).index("normal")
    assert document["asset"]["copyright"] == "A. Nonymous, CC0-1.0"


def test_a_decoder_draws_the_images() -> None:
    settings = RuleSettings(
        12, 16, maps=MAPS, start="noise", noise_level=1, decoder=DecoderSettings(3)
    )
    rule = with_random_decoder(settings)
    _, images = parts(glb("stone", RuleFile(rule), ExportOptions(grid=16)))
    (state,) = simulate(rule, rule.initial_state(1, 16, 16), [STEPS])
    maps = {name: one[0].detach().clamp(0, 1) for name, one in rule.to_maps(state).items()}
    close = {"rtol": 0, "atol": 0.51 / 255}
    assert images["color"].shape == (3, 48, 48)
    torch.testing.assert_close(images["color"], maps["color"], **close)
    torch.testing.assert_close(images["normal"], maps["normal"], **close)
    torch.testing.assert_close(images["packed"][1:2], maps["roughness"], **close)


def test_the_square_shows_the_top_of_the_image_at_the_top() -> None:
    document, _ = parts(glb("stone", material(), OPTIONS))
    assert list(document["meshes"][0]["primitives"][0]["attributes"]) == [
        "POSITION",
        "NORMAL",
        "TEXCOORD_0",
    ]
    assert document["samplers"][0]["wrapS"] == 10497
    edges, _ = parts(glb("stone", material(padding="reflect"), OPTIONS))
    assert edges["samplers"][0]["wrapS"] == 33071


def test_one_file_per_rule() -> None:
    assert list(TARGET.build({"a": material(), "A": material()}, OPTIONS)) == ["a.glb", "A-2.glb"]
