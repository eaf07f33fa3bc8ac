"""Make pages about the project from files in the root folder of the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}


def pages() -> dict[str, bytes]:
    """Make the pages, by path; links to files in docs/ become relative to docs/."""
    return {
        path: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](").encode()
        for path, name in PAGES.items()
    }
