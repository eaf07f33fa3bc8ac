"""``nca export``: turn rule files into files for a target."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import moderngl

from nca.errors import InputError
from nca.exporters.folder import ExportedFile, write_files
from nca.exporters.glsl.text import one_line
from nca.exporters.manifest import MANIFEST, with_measurement
from nca.exporters.parity.compare import Difference
from nca.exporters.registry import find_target
from nca.exporters.settings import ExportOptions, ExportSettings
from nca.exporters.target import Rules
from nca.gallery import gallery, gallery_path
from nca.options import as_flags
from nca.rulefile import load_rule, rule_name
from nca.system.outputs import check_free

MAX_LISTED = 8  # longest list of rules or files; longer ones are summarized


@dataclass(frozen=True)
class ExportReport:
    """Result of an export.

    Attributes:
        target: name of the target.
        out: the file or folder.
        files: all written files.
        differences: differences from torch, by name of the rule.
        verified: how this target was tested, or that it is untested.
    """

    target: str
    out: Path
    files: list[ExportedFile]
    differences: dict[str, Difference]
    verified: str

    def lines(self) -> list[str]:
        """Format the result as lines for a terminal."""
        text = list(map(str, self.files))
        if len(self.differences) > 1 and len(text) > MAX_LISTED:
            size, index = sum(one.size for one in self.files), self.out / "index.html"
            place = index if index in [one.path for one in self.files] else self.out
            text = [f"{place}  {len(self.differences)} rules, {len(text)} files, {size:,} bytes"]
        return [*text, *self._measured(), f"{self.target}: {self.verified}"]

    def _measured(self) -> list[str]:
        """Differences of all rules, or the largest one if there are many rules."""
        count = len(self.differences)
        if count <= MAX_LISTED:
            return [
                f"{one_line(name)}: {said}"
                for name, difference in self.differences.items()
                for said in (difference, *difference.notes)
            ]
        known = {name: d.largest for name, d in self.differences.items() if d.largest is not None}
        first = f"all {count} rules: {next(iter(self.differences.values()))}"
        if known:
            name = max(known, key=lambda name: known[name])
            far = f"{len(known)} of {count} rules measured; the worst is {one_line(name)}"
            first = f"{far}: {self.differences[name]}"
        return [first, *sorted({note for d in self.differences.values() for note in d.notes})]


def export_rules(settings: ExportSettings) -> list[str]:
    """Export rule files, or the bundled gallery.

    Returns:
        Lines for a terminal.

    Raises:
        InputError: a rule cannot be read, an option does not fit the target, or the result cannot
            be written.
    """
    target = find_target(settings.to)
    if settings.shader.link.direction_map is not None and settings.to != "link":
        raise InputError(f"`direction_map`: only links store directions, not `to` {settings.to}")
    bundled = target.bundled or gallery("plain", "fine")
    paths = settings.rules or tuple(map(gallery_path, bundled))
    rules = dict(zip(names_of(paths), map(load_rule, paths), strict=True))
    out = settings.out or target.default_out
    if out is None:
        lines = target.printed(rules, settings.shader)
        if not lines:
            raise InputError(f"`out` is missing: the file or folder for `to` {settings.to}")
        return lines
    report = export(rules, settings.to, out, settings.shader)
    return list(map(as_flags, report.lines()))


def export(
    rules: Rules,
    to: str,
    out: Path,
    options: ExportOptions,
    *,
    context: moderngl.Context | None = None,
    measured: bool = True,
) -> ExportReport:
    """Turn rules into files for a target.

    A page or an element is written to the file ``out``. For a target with one file per rule, a
    single rule is written to the file ``out``; if ``out`` has a different extension, it is a
    folder, and the file is ``out/<name>``. The files of other targets go to the folder ``out``;
    with several rules, each rule has its own folder ``out/<name>``. The contents of all files are
    built before the first one is written. Existing files with the same names are replaced only with
    ``options.overwrite``.

    Args:
        rules: rules by name, at least one.
        to: name of the target (see :func:`nca.exporters.registry.target_names`).
        out: output file or folder.
        options: options of the export.
        context: OpenGL context for the measurement; default: a new one.
        measured: whether to compare the result with torch, which may compile shaders for many
            seconds.

    Raises:
        InputError: the target is unknown or does not support an option, a weight is not finite, or
            a path exists already or cannot be written.
    """
    target = find_target(to)
    is_file = target.is_file(rules, out)
    check_free(out, options.overwrite, file=is_file)
    files = target.build(rules, options)
    differences: dict[str, Difference] = {}
    if measured:
        differences = target.measure(rules, files, options, context)
        files = {
            path: with_measurement(data, differences) if Path(path).name == MANIFEST else data
            for path, data in files.items()
        }
    written = write_files(out, files, is_file=is_file)
    return ExportReport(to, out, written, differences, target.verified)


def names_of(paths: Iterable[Path]) -> list[str]:
    """Make unique names for rules.

    Raises:
        InputError: two rules would have the same name.
    """
    names = [rule_name(path) for path in paths]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"two rules are called {double!r}; rename one of the files")
    return names
