"""``nca export``: rule files in, what a host runs out."""

from collections.abc import Iterable
from pathlib import Path

from nca.errors import InputError
from nca.export.gallery import export_gallery
from nca.export.hosts import check_free, export
from nca.export.html import PageSettings, export_html
from nca.export.settings import ExportSettings
from nca.gallery import gallery, gallery_path
from nca.rulefile import RuleFile, load_rule


def export_rules(settings: ExportSettings) -> list[str]:
    """Export, and tell in lines for a terminal what was written.

    Raises:
        InputError: a rule cannot be read, an option does not suit the target, or the result cannot
            be written.
    """
    paths = settings.rules or tuple(map(gallery_path, gallery()))
    rules = dict(zip(names_of(paths), map(load_rule, paths), strict=True))
    if settings.to == "html":
        return export_page(rules, settings)
    if settings.to == "gallery":
        written = export_gallery(rules, settings.out, settings)
        return [f"{settings.out / 'index.html'}  {len(rules)} rules, {len(written)} files"]
    return export(list(rules.items()), settings.to, settings.out, settings).lines()


def export_page(rules: dict[str, RuleFile], settings: ExportSettings) -> list[str]:
    """Write one page that runs all the rules."""
    check_free(settings.out, settings.overwrite, file=True)
    page = export_html(
        rules,
        settings.out,
        PageSettings(
            grid=None if settings.grid is None else (settings.grid, settings.grid),
            seed=settings.seed,
            steps_per_frame=settings.steps_per_frame or 1,
            weights=settings.weights,
            state="auto" if settings.state == "rgba32f" else settings.state,
        ),
    )
    return [f"{page.path}  {page.bytes:,} bytes"]


def names_of(paths: Iterable[Path]) -> list[str]:
    """Names for rules: that of the file, or of its folder where the file is called ``rule``.

    Raises:
        InputError: two rules would have the same name.
    """
    names = [p.absolute().parent.name if p.stem == "rule" else p.stem for p in paths]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise InputError(f"two rules are called {double!r}; rename one of the files")
    return names
