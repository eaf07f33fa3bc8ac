"""The web page of a diffusion model: its data and its HTML text.

The page contains no schedule and no sampler. Everything that depends on the noise level is computed
here, by the sampler itself, and stored as a table.
"""

import base64
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from markupsafe import Markup
from rjsmin import jsmin

from nca.ddpm.checkpoint import Run
from nca.ddpm.diffusion.automaton import COORDINATES, Automaton, coordinates, time_waves
from nca.ddpm.diffusion.draw import noise_levels
from nca.ddpm.diffusion.model import Model
from nca.ddpm.diffusion.samplers import build_sampler
from nca.ddpm.diffusion.sampling_loop import Step
from nca.ddpm.page.shaders import DEVICE, passes
from nca.ddpm.settings import SamplerName
from nca.errors import InputError
from nca.exporters.glsl.fragments import version_text, vertex_shader
from nca.exporters.glsl.pieces import group_count
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import pack_weights
from nca.exporters.web.compact import compact_shader
from nca.exporters.web.page import render_page, script_json

SAMPLER: SamplerName = "dpmpp"
LEVELS = (10, 20, 50)  # numbers of steps that a visitor can choose
CHOSEN = 50
SCRIPTS = ("page/player/files", "page/player/gl", "denoiser/drawing", "denoiser/main")


def denoiser_page(run: Run, title: str, data: Mapping[str, Any]) -> bytes:
    """Make the page of a run; ``data`` is the result of :func:`denoiser_data`."""
    net = automaton_of(run)
    return render_page(
        template("denoiser/page.html"),
        _script(),
        template("denoiser/page.css"),
        "img-src data:",
        title=" ".join(title.split()) or "images",
        weights=f"{sum(p.numel() for p in net.parameters()):,}",
        steps=net.steps,
        levels=LEVELS,
        chosen=CHOSEN,
        names=run.model.info.names if net.classes is not None else (),
        data=Markup(script_json(data)),
    )


def _script() -> str:
    parts = "".join(jsmin(template(f"{name}.js")) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def automaton_of(run: Run) -> Automaton:
    """The network of a run.

    Raises:
        InputError: it is not an automaton.
    """
    if not isinstance(run.model.network, Automaton):
        raise InputError(
            f"{run.path}: its network is a U-Net; only automata (`net` nca) can be exported"
        )
    return run.model.network


def denoiser_data(run: Run, seed: int) -> dict[str, Any]:
    """Everything that the page needs, as plain JSON data."""
    net, model = automaton_of(run), run.model
    cells = -(-model.info.side // net.patch)
    packed = pack_weights(net.rule)
    show = f"#define NCA_SIDE {model.info.side}\n#define NCA_PATCH {net.patch}\n"
    show += f"#define NCA_COLORS {model.info.colors}\n" + template("denoiser/show.glsl")
    classes = None if net.classes is None else net.classes.weight
    return {
        "vertex": vertex_shader(DEVICE.dialect),
        "passes": {
            name: [{"fragment": compact_shader(p.fragment), "groups": p.groups} for p in parts]
            for name, parts in passes(net, model.info.side).items()
        },
        "show": compact_shader(version_text(DEVICE) + show),
        "cells": cells,
        "imageGroups": group_count(net.pixels),
        "stateGroups": group_count(net.rule.settings.channels),
        "steps": net.steps,
        "given": 2 * net.pixels + COORDINATES,
        "weights": base64.b64encode(packed.astype("<f4").tobytes()).decode(),
        "weightRows": len(packed),
        "waves": coordinates(1, cells)[:2, 0].T.tolist(),
        "classes": None if classes is None else classes[:-1].tolist(),
        "tables": {str(levels): table(model, levels) for levels in LEVELS},
        "seed": seed,
    }


def table(model: Model, levels: int) -> list[dict[str, Any]]:
    """The numbers that each step of the sampler needs, highest noise level first."""
    sigmas = noise_levels(model.schedule, levels, SAMPLER)
    rows = []
    for index, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        level = torch.tensor([sigma], dtype=torch.float64)
        of = model.parameterization
        rows.append(
            {
                "sigma": sigma,
                "scale": float(of.scale(level)),
                "read": [float(of.skip(level)), float(of.out(level))],
                "mix": mix([sigma, sigmas[index - 1]] if index else [sigma], sigma_next),
                "times": time_waves(model.schedule.time(level).float())[0].tolist(),
                "brightness": (1 + sigma_next**2) ** -0.5,
            }
        )
    return rows


def mix(sigmas: Sequence[float], sigma_next: float) -> list[float]:
    """Compute the factors of the three images whose weighted sum is the next noised image.

    The images are the noised image, the estimate and the previous estimate. A step of the sampler
    is linear in them, so applying it to unit vectors gives the factors.

    Args:
        sigmas: the noise level of this step and, except in the first step, of the previous step.
        sigma_next: the next noise level.
    """
    image, estimate, previous = torch.eye(3, dtype=torch.float64)
    steps = [Step(1, sigmas[0], image, estimate)]
    steps += [Step(0, sigma, torch.full_like(image, torch.nan), previous) for sigma in sigmas[1:]]
    # This sampler neither calls the network within a step nor needs noise.
    factors = build_sampler(SAMPLER).step(steps, sigma_next, lambda x, _: x, lambda: image)
    return [float(factor) for factor in factors]
