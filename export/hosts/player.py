"""One HTML file that runs any rule file or link that is dropped on it.

The file starts with the exported rules, which it stores as links. By default, these are half of the
bundled rules, so that the page stays small. All rules run in general shaders.
"""

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moderngl import Context
from PIL import Image
from typing_extensions import override

from nca.exporters.glsl.pieces import group_count
from nca.exporters.hosts.html import rendered_page
from nca.exporters.link import Bits, read_link, write_link
from nca.exporters.parity.compare import Difference
from nca.exporters.parity.page import measure_page
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Rules, check_rules
from nca.exporters.web.page import (
    PageSettings,
    check_count,
    credit,
    player_data,
    rule_label,
    thumbnail,
)
from nca.exporters.web.target import WebTarget
from nca.rulefile import RuleFile

# If all rules together have more weights, each weight has 8 bits, to keep the page small.
MAX_WIDE_WEIGHTS = 20_000
START = ("bricks", "bubbles", "coral", "honeycomb", "knit", "peacock", "scales", "weave")


def player_html(rules: Rules, settings: PageSettings | None = None) -> bytes:
    """Make the page.

    Raises:
        InputError: see :func:`nca.exporters.web.page.page_data`.
    """
    settings = settings or PageSettings()
    data = _data(rules, settings)
    return rendered_page(data, settings.title or "Texture player", invites=True)


def _data(rules: Rules, settings: PageSettings) -> dict[str, Any]:
    check_rules(rules)
    check_count(rules)
    weights = sum(weight.numel() for file in rules.values() for weight in file.rule.parameters())
    bits: Bits = 16 if weights <= MAX_WIDE_WEIGHTS else 8
    return {
        **player_data(settings),
        "rules": [
            {
                "name": rule_label(name),
                "credit": credit(file),
                "thumbnail": _small(thumbnail(file)),
                "link": write_link(file.rule, bits),
            }
            for name, file in rules.items()
        ],
    }


def _small(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=60, method=6)
    return f"data:image/webp;base64,{b64encode(data.getvalue()).decode()}"


@dataclass(frozen=True, kw_only=True)
class PlayerTarget(WebTarget):
    """Compares the shaders with torch, using the rules as the page stores them."""

    @override
    def measure(
        self, rules: Rules, files: object, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        del files
        data = _data(rules, PageSettings.of(options))
        short = {
            name: RuleFile(read_link(rule["link"]))
            for name, rule in zip(rules, data["rules"], strict=True)
        }
        channels = max(file.rule.settings.channels for file in short.values())
        data["groups"] = group_count(channels)
        for rule in data["rules"]:
            rule["stores"] = ["texture"]
        return measure_page(data, short, context)


TARGET = PlayerTarget(
    write=player_html,
    suffix=".html",
    bundled=START,
    default_out=Path("player.html"),
    verified="tested in Chromium",
)
