"""Export a rule as a glTF 2.0 file: a square with the grown texture or material.

3D programs use glTF to exchange scenes. A ``.glb`` file contains everything: the square, its
material and the images as PNG. Specification: https://registry.khronos.org/glTF/specs/2.0
"""

import json
import struct
from typing import Any

import numpy as np
import torch
from moderngl import Context
from typing_extensions import override

import nca
from nca.backends.simulate import simulate
from nca.exporters.glsl.text import file_names, one_line
from nca.exporters.parity.compare import Difference
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, Rules, Target, check_rules
from nca.images import png_bytes, to_image
from nca.maps import PACKED
from nca.rulefile import RuleFile

SIDE, STEPS = 256, 1000  # default side of the grid in cells, and number of steps
# OpenGL constants, which glTF uses too.
FLOAT, VERTICES, REPEAT, CLAMP, LINEAR, MIPMAPS = 5126, 34962, 10497, 33071, 9729, 9987
# The corners of the square, seen from +z, in the order of a triangle strip. The top of the image is
# at +y and has the texture coordinate v = 0. The bitangent, cross(normal, tangent) * w, is +y.
CORNERS: dict[str, tuple[tuple[float, ...], ...]] = {
    "POSITION": ((-0.5, 0.5, 0), (-0.5, -0.5, 0), (0.5, 0.5, 0), (0.5, -0.5, 0)),
    "NORMAL": ((0, 0, 1),) * 4,
    "TEXCOORD_0": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "TANGENT": ((1, 0, 0, 1),) * 4,
}
STRIP = 5


class GlbFile(Target):
    """Makes one ``.glb`` file per rule; the options ``grid`` and ``seed`` apply to its images."""

    @override
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        check_rules(rules)
        return {
            f"{stem}{self.suffix}": glb(name, file, options)
            for stem, (name, file) in zip(file_names(rules), rules.items(), strict=True)
        }

    @override
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        del files, options, context
        return {name: Difference(None, reason="PyTorch computed its images") for name in rules}


def glb(name: str, file: RuleFile, options: ExportOptions) -> bytes:
    """Make a binary glTF file: a square with the images of :func:`material_images`."""
    images = material_images(file, options)
    corners = {k: rows for k, rows in CORNERS.items() if k != "TANGENT" or "normal" in images}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": f"nca-studio {nca.__version__}", **_credit(file)},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": one_line(name)}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {key: i for i, key in enumerate(corners)},
                        "material": 0,
                        "mode": STRIP,
                    }
                ]
            }
        ],
        "accessors": [
            {"bufferView": i, "componentType": FLOAT, "count": 4, "type": f"VEC{len(rows[0])}"}
            for i, rows in enumerate(corners.values())
        ],
        "materials": [_material(name, images)],
        "samplers": [_sampler(wraps=file.rule.settings.wraps)],
        "textures": [{"sampler": 0, "source": i} for i in range(len(images))],
        "images": [
            {"bufferView": len(corners) + i, "mimeType": "image/png", "name": key}
            for i, key in enumerate(images)
        ],
    }
    document["accessors"][0] |= {"min": [-0.5, -0.5, 0], "max": [0.5, 0.5, 0]}
    views: list[dict[str, int]] = []
    content = b""
    vertices = [np.array(rows, "<f4").tobytes() for rows in corners.values()]
    for chunk in (*vertices, *images.values()):
        views.append({"buffer": 0, "byteOffset": len(content), "byteLength": len(chunk)})
        if len(views) <= len(vertices):
            views[-1]["target"] = VERTICES
        content += _padded(chunk, b"\0")
    document |= {"bufferViews": views, "buffers": [{"byteLength": len(content)}]}
    text = _padded(json.dumps(document, allow_nan=False).encode(), b" ")
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(content)),
            struct.pack("<I4s", len(text), b"JSON") + text,
            struct.pack("<I4s", len(content), b"BIN\0") + content,
        ]
    )


@torch.no_grad()
def material_images(file: RuleFile, options: ExportOptions) -> dict[str, bytes]:
    """Run a rule for 1,000 steps; return its images as PNG: ``color``, ``normal`` and ``packed``.

    ``packed`` contains the maps of :data:`nca.maps.PACKED`. An image is left out if the rule has
    none of its maps. glTF does not support height.
    """
    rule, side = file.rule, options.grid or SIDE
    start = rule.initial_state(1, side, side, seed=options.seed)
    calm = rule.settings.runs_calm("auto")
    (state,) = simulate(rule, start, [STEPS], seed=options.seed, calm=calm)
    maps = rule.to_maps(state)
    images = {"color": maps["color"][0]}
    if "normal" in maps:
        images["normal"] = maps["normal"][0]
    if not maps.keys().isdisjoint(PACKED):
        gray = maps["color"][:, :1]
        parts = [maps.get(n, torch.full_like(gray, missing)) for n, missing in PACKED.items()]
        images["packed"] = torch.cat(parts, 1)[0]
    return {name: png_bytes(to_image(image)) for name, image in images.items()}


def _material(name: str, images: dict[str, bytes]) -> dict[str, Any]:
    places = {key: {"index": i} for i, key in enumerate(images)}
    metallic: dict[str, Any] = {"baseColorTexture": places["color"]}
    material: dict[str, Any] = {"name": one_line(name), "pbrMetallicRoughness": metallic}
    if "packed" in places:
        metallic["metallicRoughnessTexture"] = places["packed"]
        material["occlusionTexture"] = places["packed"]
    else:
        metallic["metallicFactor"] = 0
    if "normal" in places:
        material["normalTexture"] = places["normal"]
    return material


def _sampler(*, wraps: bool) -> dict[str, int]:
    edge = REPEAT if wraps else CLAMP
    return {"magFilter": LINEAR, "minFilter": MIPMAPS, "wrapS": edge, "wrapT": edge}


def _credit(file: RuleFile) -> dict[str, str]:
    words = [one_line(file.text(key)) for key in ("author", "license") if file.text(key)]
    return {"copyright": ", ".join(words)} if words else {}


def _padded(data: bytes, filler: bytes) -> bytes:
    """Append ``filler`` up to a multiple of four bytes, as glTF requires."""
    return data + filler * (-len(data) % 4)


TARGET = GlbFile(
    verified="checked with the Khronos glTF validator",
    suffix=".glb",
    baked=True,
)
