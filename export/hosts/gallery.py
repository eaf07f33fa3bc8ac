"""Export many rules as a website: a page of thumbnails that run while the pointer is over them.

Every rule has a folder with its own page, an element to embed it, its GLSL, its Shadertoy JSON and
its rule file. The index requests only these files, and also works from ``file://``.
"""

import io
import zipfile
from collections.abc import Mapping

from moderngl import Context
from PIL import Image
from tqdm import tqdm
from typing_extensions import override

from nca.errors import GraphicsError
from nca.exporters.glsl.text import file_names, size_line, template
from nca.exporters.hosts import glsl, shadertoy
from nca.exporters.hosts.html import page_html
from nca.exporters.hosts.web_component import component_js
from nca.exporters.parity.compare import Difference
from nca.exporters.parity.page import measure_page
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, Rules, Target, check_rules
from nca.exporters.web.page import PageSettings, page_data, render_page
from nca.gl.context import open_headless
from nca.images import png_bytes, to_image
from nca.rule import Rule
from nca.rulefile import RuleFile, rule_bytes
from nca.viewer.simulation.display import Display
from nca.viewer.simulation.look import Look
from nca.viewer.simulation.simulation import Simulation

TITLE = "Living textures"
CELLS, PIXELS = 128, 256  # largest side of the grid of a thumbnail, and of its picture
THUMBNAIL_STEPS = 400
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # fixed date in the zip archive, so that builds are reproducible


class Gallery(Target):
    """A gallery of rules; the seed is the only option that it uses."""

    @override
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        check_rules(rules)
        stems = dict(zip(file_names(rules), rules, strict=True))
        files: dict[str, bytes] = {}
        # tqdm shows a progress bar only on a terminal.
        for stem, name in tqdm(stems.items(), "gallery", unit="rule", disable=None):
            inside = _rule_files(stem, name, rules[name], options.seed)
            files |= {f"{stem}/{path}": data for path, data in inside.items()}
        return {**files, "index.html": _index(stems, rules)}

    @override
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        # Measure the page of each rule.
        del files
        differences: dict[str, Difference] = {}
        for name, file in rules.items():
            data = page_data({name: file}, PageSettings(seed=options.seed))
            differences |= measure_page(data, {name: file}, context)
        return differences


def _rule_files(stem: str, name: str, file: RuleFile, seed: int) -> Files:
    options = ExportOptions(seed=seed)
    return {
        "index.html": page_html({name: file}, PageSettings(seed=seed)),
        # The element is named after the folder, because names of rules may not be unique. Weights
        # are in a texture, because literals would take long to compile.
        "texture.js": component_js({stem: file}, PageSettings(seed=seed, weights="texture")),
        "rule.safetensors": rule_bytes(file.rule, file.info),
        "thumbnail.png": thumbnail(file.rule, seed),
        "glsl.zip": zip_archive(glsl.build(name, file, options)),
        "shadertoy.json": shadertoy.build(name, file, options)["shadertoy.json"],
    }


def side(rule: Rule) -> int:
    """Return the cells per side of a thumbnail, fewer if a decoder draws many pixels per cell."""
    return min(CELLS, PIXELS // rule.settings.pixels_per_cell)


def thumbnail(rule: Rule, seed: int, context: Context | None = None) -> bytes:
    """Make a PNG of the grown texture of a rule; a material is lit if there is OpenGL."""
    try:
        used = context or open_headless()
    except GraphicsError:
        state = rule.initial_state(1, side(rule), side(rule), seed=seed)
        return png_bytes(to_image(rule.to_image(rule(state, THUMBNAIL_STEPS, seed=seed))[0]))
    picture = _drawn(used, rule, seed)
    if context is None:
        used.release()
    return png_bytes(picture)


def _drawn(context: Context, rule: Rule, seed: int) -> Image.Image:
    simulation = Simulation(context, [rule], (side(rule), side(rule)), seed=seed)
    display = Display(context)
    simulation.step(THUMBNAIL_STEPS)
    # Decoders draw details that are finer than the cells, and light has finer highlights.
    fine = rule.decoder is not None or rule.settings.maps
    picture = display.whole(simulation, Look(), PIXELS // side(rule) if fine else 1)
    display.release()
    simulation.release()
    return picture


def zip_archive(files: Files) -> bytes:
    """Make a zip archive; the same files always give the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, FIRST_DATE), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _index(stems: Mapping[str, str], rules: Rules) -> bytes:
    script, style = template("gallery/gallery.js"), template("gallery/gallery.css")
    lines = [_credit(file) for file in rules.values()]
    shared = lines[0] if len(lines) > 1 and len(set(lines)) == 1 else ""
    # On file://, "self" has no meaning, so the scheme is listed too.
    return render_page(
        template("gallery/gallery.html"),
        script,
        style,
        "img-src 'self' file: data:",
        scripts="'self' file: ",
        title=TITLE,
        size=CELLS,
        credit=shared,
        rules=[
            {
                "stem": stem,
                "name": " ".join(name.split()) or stem,
                "size": size_line(rules[name].rule),
                "cells": side(rules[name].rule),
                "credit": "" if shared else credit,
            }
            for (stem, name), credit in zip(stems.items(), lines, strict=True)
        ],
    )


def _credit(file: RuleFile) -> str:
    """Format author, source and license as sentences."""
    words = [file.text(key) for key in ("author", "source")]
    words.append(file.text("license") or "No license given")
    return " ".join(f"{' '.join(part.split()).rstrip('.')}." for part in words if part)


TARGET = Gallery(verified="tested in Chromium")
