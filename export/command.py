"""``nca export``: rule files in, what a host runs out."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from nca.errors import InputError
from nca.export.component import export_component
from nca.export.gallery import export_gallery
from nca.export.hosts import Difference, export
from nca.export.html import PageSettings, export_html
from nca.export.page_measure import measure_page
from nca.export.settings import ExportSettings
from nca.export.target import rounding_note
from nca.export.text import file_names, one_line
from nca.gallery import gallery, gallery_path
from nca.outputs import check_free
from nca.rulefile import RuleFile, load_rule, rule_name

LISTED = 8  # rules; of more, only the furthest from torch is told


def export_rules(settings: ExportSettings) -> list[str]:
    """Export, and tell in lines for a terminal what was written.

    Raises:
        InputError: a rule cannot be read, an option does not suit the target, or the result cannot
            be written.
    """
    paths = settings.rules or tuple(map(gallery_path, gallery()))
    rules = dict(zip(names_of(paths), map(load_rule, paths), strict=True))
    if settings.to in ("html", "web-component"):
        return export_page(rules, settings)
    if settings.to == "gallery":
        written = export_gallery(rules, settings.out, settings)
        size = sum(one.size for one in written)
        index = settings.out / "index.html"
        return [
            f"{index}  {len(rules)} rules, {len(written)} files, {size:,} bytes",
            *measured_lines(
                rules,
                {
                    name: measure_page(settings.out / stem / "index.html", {name: file})[name]
                    for stem, (name, file) in zip(file_names(rules), rules.items(), strict=True)
                },
            ),
        ]
    return export(list(rules.items()), settings.to, settings.out, settings).lines()


def export_page(rules: dict[str, RuleFile], settings: ExportSettings) -> list[str]:
    """Write one page, or one script with an element, that runs all the rules."""
    check_free(settings.out, settings.overwrite, file=True)
    write = export_html if settings.to == "html" else export_component
    page = write(
        rules,
        settings.out,
        PageSettings(
            grid=None if settings.grid is None else (settings.grid, settings.grid),
            seed=settings.seed,
            steps_per_frame=settings.steps_per_frame or 1,
            weights=settings.weights,
            state="auto" if settings.state == "rgba32f" else settings.state,
            digits=settings.digits,
        ),
    )
    measured = measured_lines(rules, measure_page(page.path, rules))
    return [f"{page.path}  {page.bytes:,} bytes", *measured]


def measured_lines(
    rules: Mapping[str, RuleFile], differences: Mapping[str, Difference]
) -> list[str]:
    """Lines for a terminal: every rule, or, of more than a few, the furthest from torch."""
    lines = [f"{one_line(name)}: {difference}" for name, difference in differences.items()]
    known = {name: d.largest for name, d in differences.items() if d.largest is not None}
    if len(lines) > LISTED and known:
        name = max(known, key=lambda name: known[name])
        far = f"{len(known)} of {len(lines)} rules measured; the furthest is {one_line(name)}"
        lines = [f"{far}: {differences[name]}"]
    elif len(lines) > LISTED:
        lines = [f"all {len(lines)} rules: {next(iter(differences.values()))}"]
    notes = {note for file in rules.values() for note in rounding_note(file.rule)}
    return lines + sorted(notes)


def names_of(paths: Iterable[Path]) -> list[str]:
    """Names for rules, all different.

    Raises:
        InputError: two rules would have the same name.
    """
    names = [rule_name(path) for path in paths]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"two rules are called {double!r}; rename one of the files")
    return names
