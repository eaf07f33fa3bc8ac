"""Export rules as one JavaScript file that defines the element ``<nca-texture>`` for any page.

A page that loads the file can contain ``<nca-texture rule="NAME">``. Without the attribute, the
element runs the first rule. ``shaders/page/component.js`` describes the other attributes. The
script makes no requests and adds no style to the page around the element.
"""

from nca.exporters.target import Rules
from nca.exporters.web.page import (
    PLAYER_SCRIPTS,
    PageSettings,
    join_scripts,
    page_data,
    script_json,
)
from nca.exporters.web.target import WebTarget


def component_js(rules: Rules, settings: PageSettings | None = None) -> bytes:
    """Make the script.

    Args:
        rules: rules by name; the attribute ``rule`` chooses one (default: the first).
        settings: defaults of the element's attributes. The title is not used.

    Raises:
        InputError: see :func:`nca.exporters.web.page.page_data`.
    """
    data = script_json(page_data(rules, settings or PageSettings()))
    return join_scripts((*PLAYER_SCRIPTS, "stage", "component"), f"const DATA = {data};\n").encode()


TARGET = WebTarget(
    write=component_js,
    suffix=".js",
    verified="tested in Chromium and Firefox",
)
