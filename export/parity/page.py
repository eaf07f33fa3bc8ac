"""Compare the shaders of a page or an element with torch.

The shaders run in desktop OpenGL, which compiles WebGL's GLSL version if it has
ARB_ES3_compatibility, as the drivers of Mesa, NVIDIA and AMD do.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import moderngl
import numpy as np
from torch import Tensor

from nca.errors import GraphicsError
from nca.exporters.glsl.fragments import Pass
from nca.exporters.glsl.general import general_passes
from nca.exporters.glsl.pieces import state_code
from nca.exporters.glsl.weights import pack_weights
from nca.exporters.parity.compare import MEASURED_GRID, Difference, NotMeasuredError, compare
from nca.exporters.parity.emulation import LayerMachine
from nca.exporters.settings import StateFormat
from nca.exporters.web.compact import without_references
from nca.gl.shader import Value
from nca.rng import fire_threshold, step_base
from nca.rule import Rule
from nca.rulefile import RuleFile

STEPS = 8


def measure_page(
    data: Mapping[str, Any],
    rules: Mapping[str, RuleFile],
    context: moderngl.Context | None = None,
) -> dict[str, Difference]:
    """Run every rule of :func:`nca.exporters.web.page.page_data` with each of its weight stores.

    Returns:
        The largest difference of every rule, by name.
    """
    seed = data["start"]["seed"]
    differences: dict[str, Difference] = {}
    for (name, file), written in zip(rules.items(), data["rules"], strict=True):
        for store in written["stores"]:
            run = partial(_run, data, written, store, file.rule)
            found = compare(run, file.rule, MEASURED_GRID, STEPS, seed, context)
            differences[name] = max(differences.get(name, found), found, key=_how_far)
    return differences


def _how_far(difference: Difference) -> float:
    return math.inf if difference.largest is None else difference.largest


def _run(
    data: Mapping[str, Any],
    written: Mapping[str, Any],
    store: str,
    rule: Rule,
    state: Tensor,
    context: moderngl.Context,
) -> Tensor:
    """Step as shaders/page/player/simulation.js does, with one rule on the grid."""
    kept: StateFormat = data["start"]["format"] or "rgba32f"
    code = state_code(rule.settings, kept)
    machine = LayerMachine(context, data["groups"], state.shape, kept)
    machine.write("state", state, code)
    machine.add_weights("nca_field", np.zeros((1, 1, 4), np.float32))
    machine.add_weights("nca_weights", pack_weights(rule))
    parts = [(_steps(data, written, store, rule), "after"), (_life(data, rule), "spare")]
    samplers = {"nca_state": "state", "nca_after": "after", "nca_sum": "state"}
    for step in range(STEPS):
        uniforms: dict[str, Value] = {
            "nca_size": tuple(state.shape[:0:-1]),
            "nca_code": code,
            "nca_base": step_base(step, data["start"]["seed"]),
            "nca_rotation": (1.0, 0.0),
            "nca_coarseness": 1.0,
            "nca_dt": 1.0,
            "nca_limit": max(fire_threshold(rule.settings.update_rate) - 1, 0),
            "nca_rule": -1,
            "nca_first": True,
        }
        for shaders, target in parts:
            for one in shaders:
                arrays = {name: machine.layers(which) for name, which in samplers.items()}
                try:
                    machine.draw(one.fragment, target, one.groups, arrays, uniforms)
                except GraphicsError as error:
                    reason = "this OpenGL does not compile WebGL's shaders"
                    raise NotMeasuredError(reason) from error
                finally:
                    for array in arrays.values():
                        array.release()
        dies = rule.settings.alive_threshold is not None
        machine.swap("state", "spare" if dies else "after")
    return machine.read("state", state.shape, code)


def _steps(
    data: Mapping[str, Any], written: Mapping[str, Any], store: str, rule: Rule
) -> list[Pass]:
    if store == "inline":
        return [
            Pass(without_references(one["fragment"], rule, data["digits"]), tuple(one["groups"]))
            for one in written["inline"]["4"]
        ]
    return general_passes(data["general"], "step", rule, data["groups"])


def _life(data: Mapping[str, Any], rule: Rule) -> list[Pass]:
    if rule.settings.alive_threshold is None:
        return []
    return general_passes(data["general"], "life", rule, data["groups"])
