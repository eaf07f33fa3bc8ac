"""Export rules as one HTML file for browsers with WebGL 2.

If there are several rules, the user can paint cells of one rule into the grid of another.
The page opens from ``file://`` and makes no requests. Its Content-Security-Policy allows only its
own script and style, by their hashes.
"""

import re
from typing import Any

from markupsafe import Markup
from rcssmin import cssmin

from nca.exporters.target import Rules
from nca.exporters.web.page import (
    CONTROLS,
    PAGE_SCRIPTS,
    PageSettings,
    join_scripts,
    page_data,
    page_source,
    render_page,
    script_json,
)
from nca.exporters.web.target import WebTarget


def page_html(rules: Rules, settings: PageSettings | None = None) -> bytes:
    """Make the page.

    Raises:
        InputError: see :func:`nca.exporters.web.page.page_data`.
    """
    settings = settings or PageSettings()
    data = page_data(rules, settings)
    title = settings.title or ", ".join(rule["name"] for rule in data["rules"][:3])
    return rendered_page(data, title)


def rendered_page(data: dict[str, Any], title: str, *, invites: bool = False) -> bytes:
    """Make the page from its data; ``invites``: whether it asks visitors for rules of their own."""
    return render_page(
        re.sub(r"\n\s+", "\n", page_source("page.html")),
        join_scripts(PAGE_SCRIPTS),
        cssmin(page_source("page.css")),
        "img-src data: blob:; media-src blob:",
        title=" ".join(title.split()),
        tools={n: t for n, t in CONTROLS["tools"].items() if t.get("where") != "window"},
        all_sliders={n: s for n, s in CONTROLS["sliders"].items() if s.get("where") != "window"},
        data=Markup(script_json(data)),
        invites=invites,
    )


TARGET = WebTarget(
    write=page_html,
    suffix=".html",
    verified="tested in Chromium and Firefox",
)
