"""Sample with a page's shaders in desktop OpenGL, and compare the images with torch's."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import moderngl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nca.ddpm.checkpoint import Run
from nca.ddpm.diffusion.draw import noise_levels
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.page.page import SAMPLER, automaton_of
from nca.errors import GraphicsError
from nca.exporters.glsl.weights import TEXTURE_WIDTH
from nca.exporters.parity.compare import Difference
from nca.gl.buffers import Floats, StateBuffer
from nca.gl.context import open_headless
from nca.gl.shader import Shader, Textures, Value
from nca.rng import normal_noise

MEASURED = 20  # steps of the sampler


def measure_denoiser(
    run: Run, data: Mapping[str, Any], context: moderngl.Context | None = None
) -> Difference:
    """Draw one image, from noise to the result, and compare it with the image that torch makes."""
    expected = hash_sample(run, MEASURED, data["seed"])
    try:
        used = context or open_headless()
        try:
            drawn = Drawing(used, data).sample(str(MEASURED), data["seed"])
        finally:
            if context is None:
                used.release()
    except GraphicsError as error:
        return Difference(None, reason=str(error))
    net, side = automaton_of(run), run.model.info.side
    cells = torch.from_numpy(drawn[: net.pixels])
    image = F.pixel_shuffle(cells, net.patch)[..., :side, :side]
    return Difference(float((image - expected).abs().max()), MEASURED)


@torch.no_grad()
def hash_sample(run: Run, levels: int, seed: int, label: int | None = None) -> Tensor:
    """The image [C, S, S] that the page draws from the noise of a seed.

    Args:
        run: the trained model.
        levels: number of steps of the sampler.
        seed: random seed of the noise.
        label: class of the image; None: the seed selects the class, if the model has classes.
    """
    model, net = run.model, automaton_of(run)
    side = model.info.side
    cells = -(-side // net.patch)
    noise = F.pixel_shuffle(normal_noise(net.pixels, cells, cells, seed), net.patch)
    sigmas = noise_levels(model.schedule, levels, SAMPLER)
    labels = model.labels([seed]) if label is None else torch.tensor([label])
    x = sigmas[0] * noise[None, :, :side, :side]
    image: Tensor = build_sampler(SAMPLER)(model.denoiser(labels), x, sigmas, lambda: noise)
    return image[0]


class Drawing:
    """Draws images in the same way as ``shaders/denoiser/drawing.js``.

    Args:
        gl: OpenGL context that can compile WebGL shaders.
        data: result of :func:`nca.ddpm.page.page.denoiser_data`.
    """

    def __init__(self, gl: moderngl.Context, data: Mapping[str, Any]) -> None:
        self.gl, self.data = gl, data
        size = (data["cells"], data["cells"])
        self.images = [StateBuffer(gl, size, 2 * data["imageGroups"]) for _ in range(2)]
        self.states = [StateBuffer(gl, size, data["stateGroups"]) for _ in range(2)]
        self.shaders = {
            name: [(Shader(gl, one["fragment"]), tuple(one["groups"])) for one in passes]
            for name, passes in data["passes"].items()
        }
        weights = np.frombuffer(base64.b64decode(data["weights"]), "<f4")
        waves = np.pad(np.array(data["waves"], np.float32), ((0, 0), (0, 2)))
        self.tables: dict[str, Textures] = {
            "nca_weights": gl.texture(
                (TEXTURE_WIDTH, data["weightRows"]), 4, weights.tobytes(), dtype="f4"
            ),
            "nca_waves": gl.texture((data["cells"], 1), 4, waves.tobytes(), dtype="f4"),
        }

    def sample(self, levels: str, seed: int) -> Floats:
        """Draw an image from the noise of a seed.

        Returns:
            The channels of the image, then those of the last estimate, [4 * groups, H, W].
        """
        data = self.data
        classes, rows = data["classes"], data["tables"][levels]
        label = None if classes is None else seed % len(classes)
        values: dict[str, Value] = {"nca_seed": seed, "nca_sigma": rows[0]["sigma"]}
        self._draw("noise", self.images[0], {}, values)
        for row in rows:
            self._advance(row, [] if label is None else classes[label])
        return self.images[0].read()

    def _advance(self, row: Mapping[str, Any], memory: Sequence[float]) -> None:
        image, state = self.images[0], self.states[0]
        given = [0.0] * self.data["given"] + row["times"] + list(memory)
        given += [0.0] * (4 * self.data["stateGroups"] - len(given))
        values: dict[str, Value] = {"nca_scale": row["scale"]}
        for group in range(self.data["stateGroups"]):
            values[f"nca_given{group}"] = tuple(given[4 * group : 4 * group + 4])
        self._draw("start", state, {"nca_image": image}, values)
        plain: dict[str, Value] = {
            "nca_size": (image.width, image.height), "nca_code": (1.0, 0.0), "nca_base": 0,
        }  # fmt: skip
        for _ in range(self.data["steps"]):
            self._draw("step", self.states[1], {"nca_state": self.states[0]}, plain)
            self.states.reverse()
        values = {"nca_read": tuple(row["read"]), "nca_mix": tuple(row["mix"])}
        inputs = {"nca_image": image, "nca_state": self.states[0]}
        self._draw("advance", self.images[1], inputs, values)
        self.images.reverse()

    def _draw(
        self,
        name: str,
        target: StateBuffer,
        inputs: Mapping[str, StateBuffer],
        values: Mapping[str, Value],
    ) -> None:
        arrays = {sampler: _layers(self.gl, buffer) for sampler, buffer in inputs.items()}
        for shader, groups in self.shaders[name]:
            shader.draw(target.target(groups), {**self.tables, **arrays}, values)
        for array in arrays.values():
            array.release()


def _layers(gl: moderngl.Context, buffer: StateBuffer) -> moderngl.TextureArray:
    data = b"".join(texture.read() for texture in buffer.textures)
    size = (buffer.width, buffer.height, len(buffer.textures))
    array = gl.texture_array(size, 4, data, dtype="f4")
    array.filter = (moderngl.NEAREST, moderngl.NEAREST)
    return array
