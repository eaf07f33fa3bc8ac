"""Targets that are one file for the web, with all rules in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moderngl import Context
from typing_extensions import override

from nca.exporters.parity.compare import Difference
from nca.exporters.parity.page import measure_page
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, Rules, Target
from nca.exporters.web.page import PageSettings, page_data


@dataclass(frozen=True, kw_only=True)
class WebTarget(Target):
    """One file for the web.

    Attributes:
        write: makes the file from rules and settings.
    """

    write: Callable[[Rules, PageSettings], bytes]

    @override
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        return {f"nca{self.suffix}": self.write(rules, PageSettings.of(options))}

    @override
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        # The file contains the shaders of this data, which run here.
        del files
        data = page_data(rules, PageSettings.of(options), thumbnails=False)
        return measure_page(data, rules, context)

    def is_file(self, rules: Rules, out: Path) -> bool:
        """Return true, because any extension is allowed."""
        del rules, out
        return True
