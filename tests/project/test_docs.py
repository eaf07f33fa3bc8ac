"""The guides: every link leads somewhere, every page is in the index, no line is too long."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
LONGEST = 100  # but tables and pictures


def prose(path: Path) -> str:
    """The text of a page without its code."""
    return FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """The anchors of its headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """The files and anchors that a page links to."""
    for found in LINK.findall(prose(path)):
        target = next(filter(None, found))
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.is_file(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"
        if page.is_relative_to(DOCS):  # a site has nothing else
            assert target.is_relative_to(DOCS), target


def test_the_indexes_list_every_page() -> None:
    listed = {
        target for index in (DOCS / "index.md", DOCS / "lab/index.md") for target, _ in links(index)
    }
    assert set(PAGES) - {DOCS / "index.md"} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_lines_are_short(page: Path) -> None:
    long = [
        line
        for line in prose(page).splitlines()
        if len(line) > LONGEST and not line.startswith(("|", "!["))
    ]
    assert not long


def test_the_page_of_keys_has_all_keys() -> None:
    controls = json.loads((ROOT / "shaders/controls.json").read_text())
    text = (DOCS / "reference/keys.md").read_text()
    assert all(
        f"| {tool['key']} | {tool['label']} |" in text for tool in controls["tools"].values()
    )
    keys = {name for entry in controls["keys"] for name in entry["keys"]}
    keys -= {f"Shift+{way}" for way in ("Left", "Right", "Up", "Down", "N")}  # said in words
    named = {name for name in keys if re.search(rf"(?<![\w+]){re.escape(name)}(?![\w+])", text)}
    assert named == keys
