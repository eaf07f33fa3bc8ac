"""A sweep: a rule for every picture of a folder and every preset, as many at a time as cores.

A run has a process of its own with one thread, so that none slows another down, and none takes the
others with it. What is finished stays finished: a sweep that was stopped goes on where it was.
"""

import csv
import io
import math
import multiprocessing as mp
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nca.errors import InputError
from nca.files import write_atomically
from nca.rulefile import RuleFile, load_rule
from nca.texture.settings import KINDS, PRESETS, TrainSettings
from nca.texture.train import RULE, train
from nca.threads import usable_cpus
from nca.training.callbacks import Progress
from nca.training.folder import CHECKPOINT

TABLE, LOG = "table.csv", "log.txt"
COLUMNS = ("picture", "preset", "state", "weights", "iterations", "seconds", "long_run_loss",
           "loss_at_10000_steps", "rule")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One rule of a sweep."""

    name: str
    settings: TrainSettings

    @property
    def rule(self) -> Path:
        """The file of the rule, which is there from the first iteration on."""
        return self.settings.out / RULE

    def result(self) -> RuleFile | None:
        """The rule that was kept; None as long as the training has not ended.

        Raises:
            InputError: what is there is no rule.
        """
        if not self.rule.exists():
            return None
        file = load_rule(self.rule)
        # What the end of a training adds to what its course has written.
        return file if "kept_from_iteration" in file.info.get("training", {}) else None


def sweep(settings: TrainSettings, work: Callable[[TrainSettings], None] | None = None) -> Path:
    """Train every rule that is not there yet; write ``table.csv`` with a line for each.

    Args:
        settings: ``picture`` is a folder of pictures, ``out`` gets a folder for each rule.
        work: what a run does, in its own process; by default it trains.

    Returns:
        The table, which is up to date after every run.

    Raises:
        InputError: there is no picture, or a run failed; the others have been finished.
        KeyboardInterrupt: Ctrl-C; the runs have written their checkpoints.
    """
    runs = plan(settings)
    table = settings.out / TABLE
    settings.out.mkdir(parents=True, exist_ok=True)
    waiting = [run for run in runs if settings.overwrite or run.result() is None]
    Progress.say(f"{len(runs)} rules, {len(runs) - len(waiting)} of them finished before")
    failed: set[str] = set()
    going: dict[BaseProcess, Run] = {}
    write_table(table, runs, failed)
    try:
        while waiting or going:
            while waiting and len(going) < usable_cpus():
                run = waiting.pop(0)
                going[_started(run, work or train_alone)] = run
            wait([process.sentinel for process in going])
            for process in [p for p in going if not p.is_alive()]:
                run = going.pop(process)
                if process.exitcode:
                    failed.add(run.name)
                write_table(table, runs, failed)
                Progress.say(f"{run.name}: {'failed' if process.exitcode else 'done'}")
    finally:
        for process in going:  # each has had Ctrl-C too, and writes its checkpoint
            process.join()
    if failed:
        name = min(failed)
        raise InputError(
            f"{len(failed)} of {len(runs)} rules failed, such as {name}; see "
            f"{settings.out / name / LOG}"
        )
    return table


def plan(settings: TrainSettings) -> list[Run]:
    """The runs of a sweep, by picture and preset.

    Raises:
        InputError: no picture is in the folder, or two have the same name.
    """
    endings = set(Image.registered_extensions())
    pictures = sorted(p for p in settings.picture.iterdir() if p.suffix.lower() in endings)
    if not pictures:
        raise InputError(f"{settings.picture}: no pictures are in this folder")
    names = [picture.stem for picture in pictures]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{settings.picture}: two pictures have the name {double}; rename one")
    presets = settings.presets or (settings.preset,)
    runs = []
    for picture in pictures:
        for preset in presets:
            name = picture.stem if len(presets) == 1 else f"{picture.stem}-{preset}"
            out = settings.out / name
            # What was set by hand holds for every preset.
            other = replace(_as_preset(settings, preset), picture=picture, out=out, presets=())
            resume = not settings.overwrite and (out / CHECKPOINT).exists()
            # What a run has left that was killed before its first checkpoint is of no use.
            own = replace(other, quiet=True, resume=resume, overwrite=not resume)
            runs.append(Run(name, own))
    return runs


def _as_preset(settings: TrainSettings, preset: str) -> TrainSettings:
    def defaults(name: str) -> TrainSettings:
        values: dict[str, Any] = {}
        for kind in (kind for kind in KINDS if getattr(settings, kind)):
            values |= KINDS[kind]
        return replace(PRESETS[name], **values)  # type: ignore[index]

    before, after = defaults(settings.preset), defaults(preset)
    changed = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name != "preset" and getattr(settings, field.name) != getattr(before, field.name)
    }
    return replace(after, **changed)


def _started(run: Run, work: Callable[[TrainSettings], None]) -> BaseProcess:
    run.settings.out.mkdir(parents=True, exist_ok=True)
    process = mp.get_context("spawn").Process(target=_alone, args=(run.settings, work))
    process.start()
    return process


def _alone(settings: TrainSettings, work: Callable[[TrainSettings], None]) -> None:
    """Work in this process, with its words in a file; the exit code tells how it went."""
    with (settings.out / LOG).open("a") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    try:
        work(settings)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def train_alone(settings: TrainSettings) -> None:
    """Train with one thread."""
    torch.set_num_threads(1)
    train(settings)


def write_table(path: Path, runs: Sequence[Run], failed: set[str]) -> None:
    """Write a line for every run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(run, run.name in failed) for run in runs)
    write_atomically(path, text.getvalue().encode())


def _line(run: Run, failed: bool) -> dict[str, object]:
    line: dict[str, object] = {
        "picture": run.settings.picture.name,
        "preset": run.settings.preset,
        "state": "failed" if failed else "waiting",
    }
    file = None if failed else run.result()
    if file is None:
        return line
    training = file.info["training"]
    losses = {name: training.get(name) for name in ("long_run_loss", "loss_at_10000_steps")}
    return line | {
        "state": "done",
        "weights": file.rule.weight_count(),
        "iterations": training["iterations"],
        "seconds": training["seconds"],
        **{name: math.inf if x is None else round(x, 4) for name, x in losses.items()},
        "rule": str(run.rule),
    }
