"""Fixtures that open real graphics: an OpenGL context without a window, and a browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import moderngl
import pytest
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from nca.errors import GraphicsError
from nca.exporters.hosts.html import page_html
from nca.exporters.web.page import PageSettings
from nca.gl.context import open_headless
from nca.rule import Rule
from nca.rulefile import RuleFile
from tests.helpers.browsing import READY, until, watch
from tests.helpers.waiting import PATIENCE

if not torch.cuda.is_available():
    # Triton's kernels then run in its interpreter. Triton decorates its own functions at its
    # import, and other libraries import it too.
    os.environ.setdefault("TRITON_INTERPRET", "1")

DATA = Path(__file__).parents[2] / "shared" / "data"


def absent(what: str) -> None:
    """Skip a test that this machine cannot run; in CI it must be able to."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is needed in CI")
    pytest.skip(f"no {what} here")


@pytest.fixture(scope="session")
def gl() -> Iterator[moderngl.Context]:
    """An OpenGL 3.3 context without a window."""
    try:
        context = open_headless()
    except GraphicsError as error:
        absent(str(error))
        raise
    yield context
    context.release()


@pytest.fixture(scope="session")
def published() -> Path:
    """The 66 rules of the article "Self-Organising Textures"."""
    path = DATA / "published" / "selforg_textures.json"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    return path


# Chromium's own software renderer is some five times slower than Mesa's.
CHROMIUM_FLAGS = ["--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist"]
# Otherwise, Chromium ends its GPU process if a busy machine does not run it for some seconds.
PATIENT = "--disable-gpu-watchdog"


@contextmanager
def chromium(flags: list[str]) -> Iterator[Browser]:
    """A headless Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        absent("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags, PATIENT])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for one module, because its event loop would disturb those of others."""
    with chromium(CHROMIUM_FLAGS) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a file in a fresh page; any error, warning or request to the network fails the test.

    ``address`` is the part from "#" on, ``before`` a script to run first, the rest are options of
    Playwright's ``new_context``.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(path: Path, address: str = "", before: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 480, "height": 320}, **options})
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        watch(page, complaints, ("file:",))
        page.goto(path.as_uri() + address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def quick_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow thumbnails only for a few steps."""
    monkeypatch.setattr("nca.exporters.web.page.THUMBNAIL_STEPS", 2)
    monkeypatch.setattr("nca.exporters.hosts.gallery.THUMBNAIL_STEPS", 10)


@pytest.fixture
def still_page(
    open_page: Callable[..., Page], tmp_path: Path, quick_thumbnails: None
) -> Callable[..., Page]:
    """Open a page of rules, ready and paused at step 0."""
    del quick_thumbnails

    def open_(
        rules: dict[str, Rule],
        address: str = "",
        browser: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Page:
        files = {name: RuleFile(rule) for name, rule in rules.items()}
        (tmp_path / "page.html").write_bytes(page_html(files, PageSettings(**settings)))
        page = open_page(tmp_path / "page.html", address, **(browser or {}))
        until(page, READY)
        page.evaluate("nca.player.setRunning(false); nca.player.simulation.reset()")
        return page

    return open_


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread, for reproducible bits: more threads add in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
