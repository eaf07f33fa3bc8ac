"""Pages about the project, from files of the checkout's root."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def pages() -> dict[str, bytes]:
    """Pages by path; links into docs/ are relative to it there."""
    return {
        path: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](").encode()
        for path, name in PAGES.items()
    }
