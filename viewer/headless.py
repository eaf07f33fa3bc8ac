"""The viewer without a window: run, record, save."""

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.fields.texels import Fields
from nca.gl.context import open_headless, renderer_name
from nca.images import write_image
from nca.rule import Rule
from nca.system.outputs import check_free
from nca.viewer.files.recording import Grabber, Recorder
from nca.viewer.files.rule_files import load_rules
from nca.viewer.files.state_file import SavedState, save_state
from nca.viewer.files.video_input import open_source
from nca.viewer.files.writers import VIDEOS
from nca.viewer.player import Player
from nca.viewer.settings import ViewSettings
from nca.viewer.simulation.camera import Camera
from nca.viewer.simulation.look import natural_scale
from nca.viewer.simulation.simulation import Simulation


def run_headless(settings: ViewSettings) -> dict[str, Any]:
    """Run the rules and write the requested results.

    Returns:
        The measurements: steps, seconds, steps per second, range of the state, renderer.

    Raises:
        InputError: a file cannot be used.
        GraphicsError: there is no usable OpenGL.
    """
    for path in (settings.results.screenshot, settings.results.state_out):
        if path is not None:
            check_free(path, settings.run.overwrite, file=True)
    rules = load_rules(settings.rules)
    gl = open_headless()
    try:
        player = Player(gl, rules, settings)
        scale = settings.results.scale or natural_scale(player.simulation, player.look)
        size = player.extent[0] * scale, player.extent[1] * scale
        player.display.aim(Camera(zoom=float(scale)), size)
        facts = _measured_run(player, settings, scale)
        if settings.results.screenshot is not None:
            picture = player.display.whole(player.simulation, player.look, scale)
            write_image(settings.results.screenshot, picture)
        if settings.results.state_out is not None:
            save_state(settings.results.state_out, SavedState.of(player.simulation))
        player.release()
    finally:
        gl.release()
    if settings.run.stats == "json":
        print(json.dumps(facts))
    return facts


def simulate_gl(
    rule: Rule,
    state: Tensor,
    stops: Sequence[int],
    *,
    seed: int = 0,
    calm: bool = False,
    fields: Fields | None = None,
) -> Iterator[Tensor]:
    """Run a rule on the graphics card and yield the state after the given numbers of steps.

    Args:
        rule: the rule.
        state: state at step 0, [B, C, H, W].
        stops: numbers of steps, in ascending order.
        seed: random seed of the masks; sample i uses ``seed + i``.
        calm: let all cells fire from step 300 on.
        fields: fields of the grid; None: neutral.

    Yields:
        The state after each of ``stops`` steps, [B, C, H, W].

    Raises:
        GraphicsError: there is no usable OpenGL.
    """
    gl = open_headless()
    try:
        size = (state.shape[2], state.shape[3])
        samples = [Simulation(gl, [rule], size, seed=seed + i) for i in range(len(state))]
        for simulation, start in zip(samples, state, strict=True):
            simulation.write(start)
            simulation.steering.calm = float(calm)
            if fields is not None:
                simulation.write_fields(fields.texels.numpy())
        for stop in stops:
            for simulation in samples:
                simulation.step(stop - simulation.step_number)
            yield torch.stack([simulation.read() for simulation in samples])
    finally:
        gl.release()


def _run(player: Player, settings: ViewSettings, scale: int) -> None:
    """Run all steps; record a frame after every ``every`` steps."""
    results = settings.results
    if results.record is None:
        for _ in _advance(player, settings):
            pass
        return
    width, height = (side * scale for side in player.extent)
    if results.record.suffix.lower() in VIDEOS:
        # Videos need even sides; a texture that wraps continues in the additional row or column.
        width, height = width + width % 2, height + height % 2
    camera = Camera(zoom=float(scale))
    grabber = Grabber(player.gl, (width, height))
    size, overwrite = (width, height), settings.run.overwrite
    with Recorder(results.record, size, results.fps, overwrite=overwrite) as recorder:
        for _ in _advance(player, settings):
            player.display.draw(player.simulation, camera, player.look, grabber.target)
            pixels = grabber.grab()
            if pixels is not None:
                recorder.add(pixels, wait=True)
        last = grabber.last()
        if last is not None:
            recorder.add(last, wait=True)
    grabber.release()
    if recorder.frames == 0:
        raise InputError(f"`record` {results.record}: no frame was recorded")


def _advance(player: Player, settings: ViewSettings) -> Iterator[None]:
    """Repeatedly apply a frame of the input and run ``every`` steps."""
    simulation = player.simulation
    left = settings.run.steps
    place = (0.0, 0.0, float(simulation.width), float(simulation.height))
    for frame in _input_frames(player, settings):
        if left == 0:
            return
        if frame is not None:
            simulation.stamp(frame, place, settings.source.input_strength)
        count = settings.run.every if left is None else min(settings.run.every, left)
        player.run_steps(count)
        left = None if left is None else left - count
        yield


def _input_frames(player: Player, settings: ViewSettings) -> Iterator[Image.Image | None]:
    """Frames of the input; in a loop if the number of steps is given."""
    if settings.source.input is None:
        yield from itertools.repeat(None)
        return
    source = open_source(settings.source.input, player.grid)
    if settings.run.steps is None and source.fps == 0:
        raise InputError(f"`input` {settings.source.input} has no end; give `steps`")
    while True:
        yield from source.frames()
        if settings.run.steps is None:
            return


def _measured_run(player: Player, settings: ViewSettings, scale: int) -> dict[str, Any]:
    begin, first = time.perf_counter(), player.simulation.step_number
    _run(player, settings, scale)
    measured = player.meter.measure(player.simulation)  # waits until all steps are done
    seconds, steps = time.perf_counter() - begin, player.simulation.step_number - first
    return {
        "rules": player.names,
        "grid": list(player.grid),
        "steps": steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps / seconds, 1),
        "lowest": measured.low,
        "highest": measured.high,
        "broken_cells": measured.broken_cells,
        "finite": measured.broken_cells == 0,
        "precision": "float32",
        "renderer": renderer_name(player.gl),
    }
