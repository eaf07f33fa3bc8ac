"""Convert notebooks to pages with text, code and stored outputs, without running them."""

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

from tools.website.project import ROOT

FOLDER = ROOT / "notebooks"
PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
# A rule displayed in a notebook. It becomes a separate file, so that the page itself stays small.
FRAME = re.compile(r'<iframe[^>]*\ssrcdoc="([^"]*)"')
INSERTED = (
    '<iframe src="{page}" sandbox="allow-scripts" title="The rule, running" loading="lazy" '
    'height="400"></iframe>'
)
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # terminal colors


def pages() -> dict[str, bytes]:
    """Convert all notebooks to pages and pictures: path -> contents."""
    found: dict[str, bytes] = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        found |= page(path)
    return found


def page(path: Path) -> dict[str, bytes]:
    """Convert one notebook to a page and the files that it needs: path -> contents."""
    files: dict[str, bytes] = {}
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code" and source:
            parts.append(fenced(source, "python"))
            for output in cell["outputs"]:
                parts += shown(output, f"notebooks/{path.stem}", files)
    target = f"notebooks/{path.stem}.md"
    return {target: "\n\n".join([*parts, ""]).encode(), **files}


def fenced(text: str, language: str) -> str:
    """Wrap code in a fence that does not occur in it."""
    fence = "`" * (1 + max(map(len, re.findall("`{3,}", text)), default=2))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def shown(output: dict[str, Any], stem: str, files: dict[str, bytes]) -> list[str]:
    """Convert an output to Markdown; a picture or page in it is added to ``files``."""
    if output["output_type"] == "stream":
        return [fenced(ESCAPES.sub("", "".join(output["text"])), "text")]
    data: dict[str, Any] = output.get("data", {})
    markup = "".join(data.get("text/html", ""))
    running = FRAME.search(markup)
    if running:
        name = f"{stem}-{len(files) + 1}.html"
        files[name] = html.unescape(running[1]).encode()
        return [INSERTED.format(page=Path(name).name)]
    for kind, suffix in PICTURES.items():
        if kind in data:
            name = f"{stem}-{len(files) + 1}.{suffix}"
            files[name] = base64.b64decode("".join(data[kind]))
            return [f"![Output of the cell]({Path(name).name})"]
    if markup:
        return [markup]
    return [fenced("".join(data["text/plain"]), "text")] if "text/plain" in data else []
