"""The website's gallery: the output of `nca export --to gallery`, and a page of running rules."""

from nca.exporters.hosts.gallery import TARGET
from nca.exporters.settings import ExportOptions
from nca.gallery import gallery, gallery_path
from nca.rulefile import load_rule

FOLDER = "textures"
FIRST = gallery()[0]
PAGE = """---
hide: [navigation, toc]
---
# Gallery

These are the bundled rules. Each has {weights:,} weights and runs on a grid of 96 x 96 cells. Drag
over a texture to erase a part of it, and watch it heal. Each rule was trained on a picture; see
[how they were trained](lab/gallery.md). [The files of every rule]({folder}/index.html) are the
output of `nca export --to gallery`.

{scripts}
<div class="textures">
{cards}
</div>
"""
CARD = """<figure><nca-texture rule="{name}" grid="96x96" label="{name}, running"></nca-texture>
<figcaption><a href="{folder}/{name}/index.html">{name}</a></figcaption></figure>"""
# The script contains the rule, so it must precede the element that uses it.
SCRIPT = '<script src="{folder}/{name}/texture.js"></script>'
HERO = f"""
{SCRIPT.format(folder=FOLDER, name=FIRST)}
<nca-texture class="hero" rule="{FIRST}" cell="2" label="{FIRST}, running"></nca-texture>

*The rule "{FIRST}", running. Drag over it to erase. There are more in the [gallery](gallery.md).*
"""


def files() -> dict[str, bytes]:
    """Make the page and the exported gallery: path -> contents."""
    rules = {name: load_rule(gallery_path(name)) for name in gallery()}
    weights = sum(each.numel() for each in rules[FIRST].rule.parameters())
    cards, scripts = (
        "\n".join(part.format(name=name, folder=FOLDER) for name in rules)
        for part in (CARD, SCRIPT)
    )
    page = PAGE.format(weights=weights, folder=FOLDER, cards=cards, scripts=scripts)
    exported = TARGET.build(rules, ExportOptions())
    return {
        "gallery.md": page.encode(),
        **{f"{FOLDER}/{path}": content for path, content in exported.items()},
    }


def with_texture(markdown: str) -> str:
    """Insert a running texture below the first paragraph of the start page."""
    title, introduction, rest = markdown.split("\n\n", 2)
    return "\n\n".join([title, introduction, HERO.strip(), rest])
