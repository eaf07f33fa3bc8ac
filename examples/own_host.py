"""Run a rule in your own renderer: moderngl draws the exported shaders, without a window.

Arguments (rule, picture, cells along a side, steps): ``python own_host.py coral coral.png 256 400``
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import moderngl
from PIL import Image

import nca
from nca.rng import step_base


def run(folder: Path, size: int, steps: int, seed: int = 0) -> Image.Image:
    """Run the passes as manifest.json describes them; return the picture after some steps."""
    needs: dict[str, Any] = {"backend": "egl"} if sys.platform == "linux" else {}  # no display
    gl = moderngl.create_context(standalone=True, require=330, **needs)
    manifest = json.loads((folder / "manifest.json").read_text())
    shaders, groups = manifest["shaders"]["330"], range(manifest["state"]["groups"])
    sizes, value = (size, size), manifest["state"]["value"]
    vertex = (folder / shaders["vertex"]).read_text()
    files = {one["file"] for kind in ("brush", "step", "live", "colors") for one in shaders[kind]}
    programs = {file: gl.program(vertex, (folder / file).read_text()) for file in files}
    state, after, spare = ([gl.texture(sizes, 4, dtype="f4") for _ in groups] for _ in range(3))
    names = [f"nca_{name}{group}" for name in ("state", "after") for group in groups]

    def draw(kind: str, targets: list[moderngl.Texture], **values: Any) -> None:
        values |= {"nca_size": sizes, "nca_code": (value["scale"], value["offset"])}
        for unit, (name, texture) in enumerate(zip(names, state + after, strict=True)):
            texture.use(unit)
            values[name] = unit
        for one in shaders[kind]:
            program = programs[one["file"]]
            for name in set(values) & set(program):
                program[name] = values[name]
            gl.framebuffer([targets[group] for group in one["groups"] or [0]]).use()
            gl.vertex_array(program, []).render(vertices=3)

    draw("brush", state, nca_tool=3, nca_radius=-1.0, nca_number=seed)
    for step in range(steps):
        draw("step", after, nca_base=step_base(step, seed))
        if shaders["live"]:
            draw("live", spare)
            after, spare = spare, after
        state, after = after, state
    draw("colors", picture := [gl.texture(sizes, 4)], nca_picture=sizes)
    return Image.frombytes("RGBA", sizes, picture[0].read()).convert("RGB")


if __name__ == "__main__":
    _, rule, result, size, steps = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        shaders = nca.export(rule, f"{folder}/rule.glsl")
        run(shaders, int(size), int(steps)).save(result)
