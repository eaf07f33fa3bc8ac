"""`nca export`: export rules, or a diffusion model whose network is an automaton."""

from importlib import import_module
from pathlib import Path

from nca.exporters.command import ExportReport, export_rules
from nca.exporters.settings import ExportSettings
from nca.options import as_flags
from nca.training.folder import CHECKPOINT


def export(settings: ExportSettings) -> list[str]:
    """Export rules or a diffusion model; return lines for a terminal.

    Raises:
        InputError: see :func:`nca.exporters.command.export_rules` and
            :func:`nca.ddpm.page.command.export_model`.
    """
    if not any(map(is_model, settings.rules)):
        return export_rules(settings)
    page = import_module("nca.ddpm.page.command")  # not needed to export rules
    report: ExportReport = page.export_model(settings)
    return list(map(as_flags, report.lines()))


def is_model(path: Path) -> bool:
    """Whether a path is a checkpoint, or the folder of a training run without a rule."""
    if not path.is_dir():
        return path.suffix == ".pt"
    return (path / CHECKPOINT).is_file() and not (path / "rule.safetensors").exists()
