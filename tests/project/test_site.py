"""The site: built strictly, its links, its requests, its use by keyboard and screen reader."""

import posixpath
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from nca.gallery import gallery
from tests.helpers.browsing import serving, until
from tests.helpers.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
BUILD = """
import nca.exporters.hosts.gallery
nca.exporters.hosts.gallery.THUMBNAIL_STEPS = 10
from mkdocs.__main__ import cli
cli()
"""
PAGES = (
    "index.html",
    "gallery.html",
    "tutorial.html",
    "how-to/make-a-web-page.html",
    "reference/commands/train.html",
    "reference/python.html",
    "notebooks/1-style-transfer.html",
    "lab/gallery.html",
)
GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = {"light": GUIDELINES, "dark": ["color-contrast"]}  # only colors differ in the dark

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with thumbnails that did not grow for long."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with serving(site) as server:
        yield f"{server}/"


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open a page of the site; a complaint, or a request to another server, fails the test."""
    contexts, complaints = [], []

    def open_(path: str, *, textures: bool = True, **options: object) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        if not textures:
            page.route("**/texture.js", lambda route: route.fulfill(body=""))
        page.set_default_timeout(1000 * PATIENCE)
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else complaints.append(f"request to {request.url}")
            ),
        )
        page.goto(address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


class Links(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.add(found.get("id", ""))
        if "href" in found and found.get("rel") != "canonical":
            (self.links if tag == "a" else self.loaded).add(found["href"])
        if "src" in found:
            self.loaded.add(found["src"])


def links(path: Path) -> Links:
    found = Links()
    found.feed(path.read_text(encoding="utf-8"))
    return found


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {str(path.relative_to(site)): links(path) for path in site.rglob("*.html")}
    broken = [
        f"{name}: {link}"
        for name, page in pages.items()
        for link in page.links | page.loaded
        if not leads(site, pages, name, link, loaded=link in page.loaded)
    ]
    assert broken == []
    assert len(pages) > 60


def leads(site: Path, pages: dict[str, Links], name: str, link: str, *, loaded: bool) -> bool:
    """Whether a link of a page leads to a file, and to an anchor of it."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in ("https", "data", "javascript") and not (loaded and parts.netloc)
    target = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), unquote(parts.path)))
    target = target.lstrip("/") if parts.path else name
    if (site / target).is_dir():
        target = posixpath.join(target, "index.html")
    if parts.fragment and target in pages and not parts.fragment.startswith("__"):
        return unquote(parts.fragment) in pages[target].anchors
    return (site / target).is_file()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_used_by_everybody(visit: Callable[..., Page], path: str) -> None:
    for scheme, rules in RULES.items():
        page = visit(path, textures=False, color_scheme=scheme)
        found = Axe().run(page, options={"runOnly": rules}).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    page.set_viewport_size({"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_search_finds_an_option(visit: Callable[..., Page]) -> None:
    page = visit("changelog.html")
    page.locator("input.md-search__input").click()
    status = "document.querySelector('.md-search-result__meta').textContent"
    until(page, f"!{status}.includes('Initializing')")  # text entered earlier is ignored
    page.keyboard.insert_text("aging-rate")  # the search does not accept "aging-"
    page.keyboard.press("Shift")  # the search reads the text when a key goes up
    found = "[...document.querySelectorAll('.md-search-result__link')].map((a) => a.pathname)"
    until(page, f"{found}.includes('/reference/commands/train.html')")


def test_textures_run(visit: Callable[..., Page]) -> None:
    running = "document.querySelector('nca-texture').player?.simulation?.stepNumber > 3"
    page = visit("index.html")
    until(page, running)
    page.close()  # or it would go on beside the others
    page = visit("gallery.html")
    until(page, running)
    names = page.eval_on_selector_all(
        "nca-texture", "all => all.map((each) => each.getAttribute('rule'))"
    )
    assert names == gallery()
    page.close()
    until(visit("textures/scales/index.html"), "nca.player.simulation.stepNumber > 3")
