"""One JavaScript file that defines the element ``<nca-texture>``, to embed rules in any page.

A page that loads it can hold ``<nca-texture rule="NAME">``; without the attribute it runs the first
rule. The other attributes are described in ``shaders/page/component.js``. The script asks the
network for nothing and adds no style to the page around it.
"""

from nca.exporters.target import Rules
from nca.exporters.web.page import PLAYER_SCRIPTS, PageSettings, joined, page_data, script_json
from nca.exporters.web.target import WebTarget


def component_js(rules: Rules, settings: PageSettings | None = None) -> bytes:
    """The script.

    Args:
        rules: by the name that the attribute ``rule`` gives; the first is the default.
        settings: how the element starts, where its attributes do not say. The title is not used.

    Raises:
        InputError: as :func:`nca.exporters.web.page.page_data`.
    """
    data = script_json(page_data(rules, settings or PageSettings()))
    return joined((*PLAYER_SCRIPTS, "stage", "component"), f"const DATA = {data};\n").encode()


TARGET = WebTarget(
    write=component_js, suffix=".js", verified="the tests run it in Chromium and Firefox"
)
