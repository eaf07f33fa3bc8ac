"""One JavaScript file that defines the element ``<nca-texture>``, to embed rules in any page."""

from collections.abc import Mapping
from pathlib import Path

from nca.export.html import (
    PLAYER_SCRIPTS,
    PageReport,
    PageSettings,
    joined,
    page_data,
    script_json,
)
from nca.files import write_atomically
from nca.rulefile import RuleFile


def export_component(
    rules: Mapping[str, RuleFile], out: Path, settings: PageSettings | None = None
) -> PageReport:
    """Write a script; a page that loads it can hold ``<nca-texture rule="NAME">``.

    The attributes of the element are told at the top of ``shaders/page/component.js``. The script
    asks the network for nothing and adds no style to the page around it.

    Args:
        rules: by the name that the attribute ``rule`` gives; the first is the default.
        out: the file to write, ``something.js``.
        settings: how the element starts, where its attributes do not say. The title is not used.

    Raises:
        InputError: as :func:`nca.export.html.export_html`.
    """
    data = page_data(rules, settings or PageSettings())
    script = joined((*PLAYER_SCRIPTS, "stage", "component"), f"const DATA = {script_json(data)};\n")
    encoded = script.encode()
    write_atomically(out, encoded)
    return PageReport(out, len(encoded))
