"""One HTML file that runs rules in any browser with WebGL 2; each can be painted into the others.

It opens from ``file://``, asks the network for nothing, and is locked by a Content-Security-Policy
that allows its own script and style by their hashes.
"""

import jinja2
from markupsafe import Markup

from nca import __version__
from nca.export.target import Rules
from nca.export.web.page import (
    CONTROLS,
    PAGE_SCRIPTS,
    PageSettings,
    content_hash,
    joined,
    page_data,
    page_source,
    script_json,
)
from nca.export.web.target import WebTarget


def page_html(rules: Rules, settings: PageSettings | None = None) -> bytes:
    """The page.

    Raises:
        InputError: as :func:`nca.export.web.page.page_data`.
    """
    settings = settings or PageSettings()
    script, style = joined(PAGE_SCRIPTS), page_source("page.css")
    data = page_data(rules, settings)
    title = " ".join(settings.title.split())
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(page_source("page.html")).render(
        title=title or ", ".join(rule["name"] for rule in data["rules"][:3]),
        generator=f"nca {__version__}",
        policy=f"default-src 'none'; script-src {content_hash(script)}; "
        f"style-src {content_hash(style)}; "
        "img-src data: blob:; media-src blob:; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        tools={n: t for n, t in CONTROLS["tools"].items() if t.get("where") != "window"},
        data=Markup(script_json(data)),
    )
    return page.encode()


TARGET = WebTarget(
    write=page_html, suffix=".html", verified="the tests run it in Chromium and Firefox"
)
