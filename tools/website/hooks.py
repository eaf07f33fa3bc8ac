"""MkDocs hooks that generate pages and files when the website is built.

In the navigation in mkdocs.yml, a folder such as ``notebooks/`` stands for all pages generated in
that folder.
"""

from functools import cache
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.website import gallery, notebooks, project, reference


@cache
def made() -> dict[str, bytes]:
    """Generate all files, by path in docs/; this runs once, even if `mkdocs serve` rebuilds."""
    parts = (reference.pages(), notebooks.pages(), gallery.files(), project.pages())
    return {path: content for part in parts for path, content in part.items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation."""
    config.nav = filled(config.nav)
    return config


def filled(entry: Any) -> Any:
    """Replace each folder in a part of the navigation with its generated pages."""
    if isinstance(entry, dict):
        return {title: filled(inner) for title, inner in entry.items()}
    if isinstance(entry, list):
        return [filled(inner) for inner in entry]
    if isinstance(entry, str) and entry.endswith("/"):
        return [path for path in made() if path.startswith(entry) and path.endswith(".md")]
    return entry


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated files."""
    for path, content in made().items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Add a running texture to the start page; hide the navigation of pages without a section."""
    if "/" not in page.file.src_uri and page.parent is None:
        page.meta.setdefault("hide", ["navigation"])
    return gallery.with_texture(markdown) if page.file.src_uri == "index.md" else markdown


def on_post_page(output: str, **_: Any) -> str:
    """Give the theme's search dialog a name for screen readers, which it lacks."""
    return output.replace(' role="dialog"', ' role="dialog" aria-label="Search"')
