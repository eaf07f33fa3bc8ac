"""Diffusion in the plane: points move from noise to two moons, a spiral or a text.

    python plane.py moons moons.webp
    python plane.py Hello hello.webp --seed 3
    python plane.py spiral spiral.webp --schedule cosine --target v --steps 8

A point is treated as an image with one pixel and two channels. So noise, loss, training loop and
samplers come from the library; only the data, the network and the drawing are defined here.
"""

import argparse
import colorsys
import math
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from nca.ddpm.diffusion.denoiser import Denoise, Denoiser
from nca.ddpm.diffusion.draw import draw, noise_levels
from nca.ddpm.diffusion.noising import Batch, Denoising, Noisify
from nca.ddpm.diffusion.parameterization import build_parameterization
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.diffusion.sampling_loop import Step
from nca.ddpm.diffusion.schedules import build_schedule
from nca.ddpm.diffusion.times import Stratified
from nca.ddpm.settings import SamplerName, ScheduleName, TargetName
from nca.errors import InputError, exit_code, explain
from nca.images import check_animation
from nca.system.outputs import check_free
from nca.training.adam import Adam
from nca.training.callbacks import EMA, Progress, Schedule, one_cycle
from nca.training.learner import Learner
from nca.training.movie import write_movie

COUNT, BATCH = 20_000, 512  # number of points in the data, and in a batch
EXTENT = 2.0  # largest coordinate in the data
VIEW, SIDE, SMOOTH = 2.8, 400, 2  # largest visible coordinate, frame width in pixels, supersampling
POINTS, TRAILS, ARROWS = 2000, 60, 19  # number of points, of paths drawn, of arrows per row
FILM = 3.0  # length in seconds


def moons(count: int) -> Tensor:
    """Two half circles, [count, 2]."""
    angle = math.pi * torch.rand(count)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    flipped = torch.tensor([1, 0.5]) - circle
    return torch.where(torch.rand(count, 1) < 0.5, circle, flipped)


def spiral(count: int) -> Tensor:
    """One and a half turns of a spiral, [count, 2]."""
    radius = (0.02 + 0.98 * torch.rand(count)).sqrt()
    angle = 3 * math.pi * radius
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def text(words: str, count: int) -> Tensor:
    """Random places inside the letters, [count, 2]."""
    font = ImageFont.load_default(100)
    left, top, right, bottom = (round(value) for value in font.getbbox(words))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), words, 255, font)
    ink = torch.tensor(list(image.tobytes())).view(image.height, image.width) > 127
    if not ink.any():
        raise InputError(f"`data` {words!r}: has no letters")
    y, x = ink.nonzero()[torch.randint(int(ink.sum()), (count,))].T
    return torch.stack([x, -y], 1) + torch.rand(count, 2)


def data(name: str) -> Tensor:
    """Points of a shape or text, centered in the plane, [COUNT, 2, 1, 1]."""
    shapes = {"moons": moons, "spiral": spiral}
    points = shapes[name](COUNT) if name in shapes else text(name, COUNT)
    low, high = points.amin(0), points.amax(0)
    points = (points - (low + high) / 2) * (2 * EXTENT / (high - low).max())
    return (points + 0.02 * torch.randn(COUNT, 2))[:, :, None, None]


class Network(nn.Module):
    """Maps noised points and their times to points; its input is encoded as sines and cosines."""

    def __init__(self, width: int = 128, octaves: int = 5) -> None:
        super().__init__()
        self.octaves = octaves
        widths = [3 * (1 + 2 * octaves), width, width, width]
        layers = [
            layer
            for before, after in pairwise(widths)
            for layer in (nn.Linear(before, after), nn.SiLU())
        ]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 2))

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        """[B, 2, 1, 1] and [B] -> [B, 2, 1, 1]."""
        place = torch.cat([x.flatten(1), times[:, None].to(x) / 500 - 1], 1)  # [B, 3]
        waves = [f(2**i * place) for i in range(self.octaves) for f in (torch.sin, torch.cos)]
        output: Tensor = self.layers(torch.cat([place, *waves], 1))
        return output[:, :, None, None]


def train(points: Tensor, noisify: Noisify, iterations: int) -> nn.Module:
    """Train a network on points, [N, 2, 1, 1]."""

    def batches() -> Iterator[Batch]:
        while True:
            yield noisify.noised(points[torch.randint(len(points), (BATCH,))])

    network, average = Network(), EMA(0.99)
    callbacks = [Schedule(one_cycle()), average, Progress()]
    optimizer = Adam(network.parameters(), 5e-3)
    Learner(network, batches(), Denoising(), optimizer, callbacks=callbacks).fit(
        iterations=iterations
    )
    average.copy_to(network)
    return network.eval().requires_grad_(False)


class Film:
    """Draws the steps of a sampler, all at the scale of a rectified flow.

    Args:
        denoise: determines the arrows, which show the direction in which a point moves.
        start: points at the start, [N, 2]; each keeps a color that depends on its direction there.
    """

    def __init__(self, denoise: Denoise, start: Tensor) -> None:
        self.denoise = denoise
        self.paths = [start]
        turns = torch.atan2(start[:, 1], start[:, 0]) / math.tau + 0.5
        self.colors = [
            tuple(round(255 * value) for value in colorsys.hls_to_rgb(turn, 0.45, 0.9))
            for turn in turns.tolist()
        ]

    def field(self, sigma: float) -> tuple[Tensor, Tensor]:
        """Positions and velocities of the arrows, [ARROWS^2, 2] each."""
        axis = torch.linspace(-VIEW, VIEW, ARROWS + 2)[1:-1]
        places = torch.cartesian_prod(axis, axis)
        x = (1 + sigma) * places[:, :, None, None]
        step = Step(0, sigma, x, self.denoise(x, sigma))
        return places, -step.velocity[:, :, 0, 0]

    def frame(self, points: Tensor, sigma: float) -> Image.Image:
        """Draw the points, [N, 2], and their paths so far; without noise, there are no arrows."""
        self.paths.append(points)
        image = Image.new("RGB", (SMOOTH * SIDE, SMOOTH * SIDE), "white")
        canvas = ImageDraw.Draw(image)
        if sigma > 0:
            places, velocities = self.field(sigma)
            reach = VIEW / ARROWS / velocities.norm(dim=1).max()
            ends = torch.cat([places - reach * velocities, places + reach * velocities], 1)
            for x0, y0, x1, y1 in pixels(ends):
                canvas.line((x0, y0, x1, y1), "#bbbbbb", SMOOTH)
                canvas.ellipse((x1 - 3, y1 - 3, x1 + 3, y1 + 3), "#999999")
        for path, color in zip(
            torch.stack(self.paths, 1)[:TRAILS].flatten(1).tolist(), self.colors, strict=False
        ):
            canvas.line(pixels(torch.tensor([path]))[0], color, SMOOTH)
        for (x, y), color in zip(pixels(points), self.colors, strict=True):
            canvas.ellipse((x - 3, y - 3, x + 3, y + 3), color)
        return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def pixels(points: Tensor) -> list[list[float]]:
    """Convert coordinates in the plane, [N, 2 K], to those of a frame."""
    flip = torch.tensor([1.0, -1.0]).repeat(points.shape[1] // 2)
    scaled: list[list[float]] = ((points * flip / VIEW + 1) / 2 * SMOOTH * SIDE).tolist()
    return scaled


def film(words: argparse.Namespace) -> list[Image.Image]:
    """Train, then draw one frame for each step and one for the result."""
    torch.manual_seed(words.seed)
    schedule, target = build_schedule(words.schedule, 1000), build_parameterization(words.target, 1)
    network = train(data(words.data), Noisify(schedule, target, Stratified()), words.iterations)
    denoise = Denoiser(network, schedule, target)
    sigmas = noise_levels(schedule, words.steps, words.sampler, "flow")
    steps: list[Step] = []
    seeds = range(words.seed, words.seed + POINTS)
    result = draw(
        denoise, build_sampler(words.sampler), sigmas, (2, 1, 1), seeds, watch=steps.append
    )
    seen = [(step.x[:, :, 0, 0] / (1 + step.sigma), step.sigma) for step in steps]
    drawing = Film(denoise, seen[0][0])
    return [drawing.frame(points, sigma) for points, sigma in [*seen, (result[:, :, 0, 0], 0.0)]]


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value}: must be 1 or more")
    return value


def main() -> None:
    """Train, and write the animation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", help="moons, spiral, or a text")
    parser.add_argument("result", type=Path, help="animation: .webp, .gif or .apng")
    parser.add_argument("--schedule", choices=get_args(ScheduleName), default="flow")
    parser.add_argument("--target", choices=get_args(TargetName), default="flow")
    parser.add_argument("--sampler", choices=get_args(SamplerName), default="euler")
    parser.add_argument("--steps", type=positive, default=40, help="sampling steps, one per frame")
    parser.add_argument("--iterations", type=positive, default=3000, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    try:
        check_free(words.result, False, file=True)
        check_animation(words.result)
        frames = film(words)
        write_movie(words.result, frames, len(frames) / FILM)
    except (InputError, OSError) as error:
        print(f"plane: {explain(error)}", file=sys.stderr)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
