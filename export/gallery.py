"""Many rules as a folder for any static host: a page of thumbnails that come alive when pointed at.

Every rule has a folder with its own page, the element to embed it, its GLSL, its Shadertoy JSON and
its rule file. The index asks the network for nothing but these, and works from ``file://`` too.
"""

import base64
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import jinja2
import moderngl
import torch
from markupsafe import Markup
from tqdm import tqdm

from nca import __version__
from nca.errors import GraphicsError, InputError
from nca.export import plain, shadertoy
from nca.export.component import export_component
from nca.export.hosts import ExportedFile, check_finite, write_folder
from nca.export.html import PageSettings, export_html
from nca.export.settings import ExportOptions
from nca.export.target import Files
from nca.export.text import file_names, size_line, template
from nca.files import write_atomically
from nca.gl.context import open_headless
from nca.images import to_image
from nca.outputs import check_free
from nca.rule import Rule
from nca.rulefile import RuleFile, save_rule

THUMBNAIL_SIZE, THUMBNAIL_STEPS = 128, 400
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of files in a zip archive: the same bytes every time


def export_gallery(
    rules: Mapping[str, RuleFile],
    out: Path,
    options: ExportOptions,
    *,
    title: str = "Living textures",
    context: moderngl.Context | None = None,
) -> list[ExportedFile]:
    """Write the folder, whole or not at all.

    Args:
        rules: by the name that is shown.
        out: the folder; it is made.
        options: seed, and whether to overwrite.
        title: of the index.
        context: OpenGL context that grows the thumbnails; default: one is made, or, where there is
            none, torch does it.

    Raises:
        InputError: there is no rule, a weight is not finite, or the folder cannot be written.
    """
    if not rules:
        raise InputError("a gallery needs at least one rule")
    for name, file in rules.items():
        check_finite(name, file.rule)
    check_free(out, options.overwrite, file=False)
    stems = file_names(rules)
    files: dict[str, bytes] = {}
    named = zip(stems, rules.items(), strict=True)
    # No bar where nobody watches: tqdm asks whether there is a terminal.
    for stem, (name, file) in tqdm(named, "gallery", len(stems), unit="rule", disable=None):
        inside = _rule_files(stem, name, file, options, context)
        files |= {f"{stem}/{path}": data for path, data in inside.items()}
    files["index.html"] = _index(title, dict(zip(stems, rules.items(), strict=True)))
    return write_folder(out, files)


def _rule_files(
    stem: str, name: str, file: RuleFile, options: ExportOptions, context: moderngl.Context | None
) -> Files:
    page = PageSettings(seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        export_html({name: file}, place / "index.html", page)
        # The element's name is that of the folder: unlike names, those are all different. As a
        # texture its weights are there at once, without a long compilation.
        quick = PageSettings(seed=options.seed, weights="texture")
        export_component({stem: file}, place / "texture.js", quick)
        save_rule(place / "rule.safetensors", file.rule, file.info)
        write_atomically(place / "thumbnail.png", thumbnail(file.rule, options.seed, context))
        files = {path.name: path.read_bytes() for path in place.iterdir()}
    glsl = plain.build(name, file, ExportOptions(seed=options.seed))
    toy = shadertoy.build(name, file, ExportOptions(seed=options.seed))
    return {**files, "glsl.zip": zipped(glsl), "shadertoy.json": toy["shadertoy.json"]}


def thumbnail(rule: Rule, seed: int, context: moderngl.Context | None = None) -> bytes:
    """A PNG of what a rule grows."""
    state = rule.seed(1, THUMBNAIL_SIZE, THUMBNAIL_SIZE, seed=seed)
    options = ExportOptions(seed=seed, steps_per_frame=1)
    try:
        used = context or open_headless()
    except GraphicsError:
        grown: torch.Tensor = rule(state, THUMBNAIL_STEPS, seed=seed)
    else:
        files = plain.build("thumbnail", RuleFile(rule), options)
        grown = plain.run(files, rule, options, state[0], THUMBNAIL_STEPS, used)[None]
        if context is None:
            used.release()
    data = io.BytesIO()
    to_image(rule.to_rgb(grown)[0]).save(data, format="PNG", optimize=True)
    return data.getvalue()


def zipped(files: Files) -> bytes:
    """A zip archive of files, the same bytes for the same files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, FIRST_DATE), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _index(title: str, rules: Mapping[str, tuple[str, RuleFile]]) -> bytes:
    script, style = template("gallery/gallery.js"), template("gallery/gallery.css")
    # "self" means nothing on file://, where the scheme has to be named.
    policy = (
        f"default-src 'none'; script-src 'self' file: {_hash(script)}; style-src {_hash(style)};"
        " img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )
    lines = [_credit(file) for _, file in rules.values()]
    shared = lines[0] if len(lines) > 1 and len(set(lines)) == 1 else ""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(template("gallery/gallery.html")).render(
        title=title,
        generator=f"nca {__version__}",
        policy=policy,
        script=Markup(script),
        style=Markup(style),
        size=THUMBNAIL_SIZE,
        credit=shared,
        rules=[
            {
                "stem": stem,
                "name": " ".join(name.split()) or stem,
                "size": size_line(file.rule),
                "credit": "" if shared else credit,
            }
            for (stem, (name, file)), credit in zip(rules.items(), lines, strict=True)
        ],
    )
    return page.encode()


def _credit(file: RuleFile) -> str:
    """Author, source and license as sentences."""
    words = [file.words(key) for key in ("author", "source")]
    words.append(file.words("license") or "No license given")
    return " ".join(f"{' '.join(part.split()).rstrip('.')}." for part in words if part)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
