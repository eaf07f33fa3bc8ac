"""The heart of a diffusion model is short: the parts that its guide names fit on two screens."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from nca.ddpm.diffusion import (
    denoiser,
    noising,
    parameterization,
    samplers,
    sampling_loop,
    schedules,
)

SCREEN = 60  # lines
HEART: list[Callable[..., Any]] = [
    schedules.Flow,
    schedules.flow_time,
    schedules.flow_levels,
    parameterization.Parameterization.target,
    parameterization.predict_flow,
    noising.Noisify.noised,
    noising.Denoising,
    denoiser.Denoiser,
    sampling_loop.Step,
    sampling_loop.Sampler.__call__,
    samplers.Flow,
]


def code_lines(part: Callable[..., Any]) -> int:
    """Number of lines without docstrings, comments and empty lines."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return len([line for line in ast.unparse(tree).splitlines() if line.strip()])


def test_schedule_noise_denoiser_and_sampler_fit_on_two_screens() -> None:
    assert sum(map(code_lines, HEART)) <= 2 * SCREEN
