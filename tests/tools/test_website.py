"""Pages that are made when the site is built."""

import base64
import json
from pathlib import Path

from nca.cli import COMMANDS
from tools.website import notebooks, reference
from tools.website.docstrings import as_markdown


def cell(kind: str, source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": kind, "source": [source], "outputs": list(outputs)}


def test_a_notebook_becomes_a_page_and_its_files(tmp_path: Path) -> None:
    picture = {"image/png": base64.b64encode(b"picture").decode(), "text/plain": "<Figure>"}
    rule = {"text/html": '<div><iframe srcdoc="&lt;p id=&quot;a&quot;&gt;" width="4"></iframe>'}
    cells = [
        cell("markdown", "# A story"),
        cell(
            "code",
            "print('```')",
            {"output_type": "stream", "text": ["\x1b[31m", "red"]},
            {"output_type": "display_data", "data": picture},
            {"output_type": "execute_result", "data": rule | picture},
            {"output_type": "execute_result", "data": {"text/plain": "7"}},
        ),
        cell("code", ""),
    ]
    (tmp_path / "story.ipynb").write_text(json.dumps({"cells": cells}))
    files = notebooks.page(tmp_path / "story.ipynb")
    text = files.pop("notebooks/story.md").decode()
    assert text.startswith("# A story\n\n````python\nprint('```')\n````\n\n```text\nred\n```\n\n![")
    assert '<iframe src="story-2.html" sandbox="allow-scripts"' in text
    assert text.endswith("```text\n7\n```\n\n")
    assert files == {
        "notebooks/story-1.png": b"picture",
        "notebooks/story-2.html": b'<p id="a">',
    }


def test_every_option_is_in_the_reference() -> None:
    pages = {path: text.decode() for path, text in reference.pages().items()}
    for name, command in COMMANDS.items():
        text = pages[f"reference/commands/{name.split()[0]}.md"]
        assert f"nca {name} {{ #{name.replace(' ', '-')} }}" in text
        for option in command.options():
            written = option.flags[0] if option.flags else option.name.upper()
            assert f"<code>{written}" in text or f"<code>[{written}" in text
            assert option.help in text


def test_docstrings_become_markdown() -> None:
    text = "See :class:`Rule`. As in::\n\n    x = 1\n\n::\n\n    y = a[::2]"
    assert as_markdown(text) == "See `Rule`. As in:\n\n    x = 1\n\n\n\n    y = a[::2]"
