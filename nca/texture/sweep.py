"""Train a rule for every image of a folder and every preset, one process per core.

This is a *sweep*. Each run has its own single-threaded process, so runs neither slow each other
down nor crash each other. A sweep that was stopped can be continued; it skips finished runs.
"""

import csv
import io
import math
import multiprocessing as mp
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from nca.errors import INTERRUPTED, WRONG_USE, FailedError, InputError, exit_code
from nca.images.picture_files import pictures_in
from nca.rule_settings import is_float32
from nca.rulefile import RuleFile, load_rule
from nca.system.console import prepare_console, say
from nca.system.files import remove_temporary, write_text
from nca.system.signals import raise_on_termination
from nca.system.threads import usable_cpus
from nca.texture.settings import TrainSettings
from nca.texture.train import RULE, TextureTraining, train
from nca.training.folder import CHECKPOINT, changes, make_folder
from nca.training.write_failures import WriteFailures

TABLE, LOG = "table.csv", "log.txt"
COUNTS, LOSSES = ("iterations", "seconds"), ("long_run_loss", "loss_at_10000_steps")
COLUMNS = ("picture", "preset", "state", "weights", *COUNTS, *LOSSES, "rule")


@dataclass(frozen=True)
class Run:
    """One rule of a sweep."""

    name: str
    settings: TrainSettings

    @property
    def rule(self) -> Path:
        """Path of the rule file, which exists after the first iteration."""
        return folder_of(self.settings) / RULE

    def result(self) -> RuleFile | None:
        """The final rule, or None while training has not finished.

        Raises:
            InputError: the file is not a rule.
        """
        if not self.rule.exists():
            return None
        file = load_rule(self.rule)
        # Training adds this entry to the file when it ends.
        return file if "kept_from_iteration" in file.training else None

    def check_unchanged(self) -> None:
        """Refuse to reuse a final rule that was trained with other settings.

        Raises:
            InputError: a setting differs.
        """
        file = self.result()
        before = None if file is None else file.training.get("settings")
        for name, was, now in changes(before, self.settings) if isinstance(before, dict) else ():
            if name not in TextureTraining.may_change:
                raise InputError(
                    f"{self.rule}: it was trained with `{name}` {was}, not {now}; choose another "
                    "`out`, or `overwrite`"
                )


def folder_of(settings: TrainSettings) -> Path:
    """Return the output folder; a sweep always has one."""
    assert settings.out is not None
    return settings.out


def sweep(
    variants: Sequence[TrainSettings], work: Callable[[TrainSettings], None] | None = None
) -> Path:
    """Train every rule that does not exist yet; write ``table.csv`` with one line per rule.

    Args:
        variants: settings of each preset. ``picture`` is a folder of images; ``out`` gets a
            folder for each rule.
        work: what each run does in its process; by default, it trains.

    Returns:
        Path of the table, which is updated after every run.

    Raises:
        InputError: there is no image; a finished rule was trained with other settings; or a run was
            refused (the other runs have finished by then).
        FailedError: a run failed, or the table could not be written; all other runs have finished.
        KeyboardInterrupt: Ctrl-C; the runs have written their checkpoints.
    """
    runs, out = plan(variants), folder_of(variants[0])
    table = out / TABLE
    make_folder(out)
    remove_temporary(table)
    write_failures = WriteFailures()
    overwrite = variants[0].run.overwrite
    if not overwrite:
        for run in runs:
            run.check_unchanged()
    waiting = [run for run in runs if overwrite or run.result() is None]
    say(f"{len(runs)} rules, {len(runs) - len(waiting)} of them already finished")
    failed: dict[str, int] = {}
    running: dict[BaseProcess, Run] = {}
    with write_failures.warn_on_failure(table):
        write_table(table, runs, failed)
    try:
        while waiting or running:
            while waiting and len(running) < usable_cpus():
                run = waiting.pop(0)
                running[_start(run, work or train_alone)] = run
            wait([process.sentinel for process in running])
            for process in [p for p in running if not p.is_alive()]:
                run = running.pop(process)
                if process.exitcode:
                    failed[run.name] = process.exitcode
                with write_failures.warn_on_failure(table):
                    write_table(table, runs, failed)
                say(f"{run.name}: {'failed' if process.exitcode else 'done'}")
    except KeyboardInterrupt:
        for process in running:  # the signal may have reached only this process
            process.terminate()
        raise
    finally:
        for process in running:  # each writes its checkpoint
            process.join()
    if failed:
        name = min(failed)
        kind = InputError if WRONG_USE in failed.values() else FailedError
        raise kind(
            f"{len(failed)} of {len(runs)} rules failed, such as {name}; see {out / name / LOG}"
        )
    write_failures.check()
    return table


def plan(variants: Sequence[TrainSettings]) -> list[Run]:
    """List the runs of a sweep, by image and preset; see :func:`sweep`.

    Raises:
        InputError: the folder has no images, or two of the same name.
    """
    first = variants[0]
    assert isinstance(first.picture, Path)
    pictures = pictures_in(first.picture)
    names = [picture.stem for picture in pictures]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{first.picture}: two images have the name {double}; rename one")
    runs = []
    for picture in pictures:
        for variant in variants:
            name = picture.stem if len(variants) == 1 else f"{picture.stem}-{variant.preset}"
            out = folder_of(first) / name
            # A run that was killed before its first checkpoint has left nothing useful.
            resume = not first.run.overwrite and (out / CHECKPOINT).exists()
            own = variant.override(
                picture=picture, out=out, presets=(), quiet=True, resume=resume,
                overwrite=not resume,
            )  # fmt: skip
            runs.append(Run(name, own))
    return runs


def _start(run: Run, work: Callable[[TrainSettings], None]) -> BaseProcess:
    process = mp.get_context("spawn").Process(target=_run_and_exit, args=(run.settings, work))
    process.start()
    return process


def _run_and_exit(settings: TrainSettings, work: Callable[[TrainSettings], None]) -> None:
    """Do a run in this process, write its output to a log file, and exit with its exit code."""
    prepare_console()
    raise_on_termination()
    try:
        folder = folder_of(settings)
        make_folder(folder)
        with (folder / LOG).open("a", encoding="utf-8") as log:
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
        work(settings)
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def train_alone(settings: TrainSettings) -> None:
    """Train with a single thread."""
    torch.set_num_threads(1)
    train(settings)


def write_table(path: Path, runs: Sequence[Run], failed: Collection[str]) -> None:
    """Write the table: one line for every run.

    Raises:
        InputError: the table cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(run, run.name in failed) for run in runs)
    write_text(path, text.getvalue())


def _line(run: Run, failed: bool) -> dict[str, object]:
    line: dict[str, object] = {
        "picture": run.settings.picture.name,
        "preset": run.settings.preset,
        "state": "failed" if failed else "waiting",
    }
    file = None if failed else run.result()
    if file is None:
        return line
    numbers = {name: x for name, x in file.training.items() if is_float32(x)}
    return line | {
        "state": "done",
        "weights": file.rule.weight_count(),
        **{name: numbers.get(name, "") for name in COUNTS},
        **{name: round(numbers.get(name, math.inf), 4) for name in LOSSES},
        "rule": str(run.rule),
    }
