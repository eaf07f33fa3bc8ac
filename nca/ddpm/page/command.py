"""Export a diffusion model to a web page."""

from nca.ddpm.checkpoint import load_run
from nca.ddpm.page.page import denoiser_data, denoiser_page
from nca.ddpm.page.parity import measure_denoiser
from nca.errors import InputError
from nca.exporters.command import ExportReport
from nca.exporters.folder import write_files
from nca.exporters.settings import ExportSettings
from nca.rulefile import rule_name
from nca.system.outputs import check_free


def export_model(settings: ExportSettings) -> ExportReport:
    """Write the page of a diffusion model whose network is an automaton.

    Raises:
        InputError: the model cannot be read, its network is not an automaton, the target is not
            ``html``, or the page cannot be written.
    """
    if settings.to != "html":
        raise InputError(f"`to` {settings.to}: a diffusion model can only be exported to html")
    if len(settings.rules) > 1:
        raise InputError(f"{len(settings.rules)} files: export a diffusion model alone")
    if settings.out is None:
        raise InputError("`out` is missing: the file for `to` html")
    (path,), out = settings.rules, settings.out
    check_free(out, settings.shader.overwrite, file=True)
    run = load_run(path)
    name, data = rule_name(run.path.parent / "rule"), denoiser_data(run, settings.shader.seed)
    page = denoiser_page(run, name, data)
    differences = {name: measure_denoiser(run, data)}
    written = write_files(out, {out.name: page}, is_file=True)
    return ExportReport("html", out, written, differences, "tested in Chromium")
