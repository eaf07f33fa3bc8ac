"""Export rules to web pages and shaders, and show them in the window."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nca.api.rules import AnyRule, as_rule, rule_file, rule_path
from nca.errors import InputError
from nca.exporters.command import export as export_to
from nca.exporters.registry import find_target, target_names
from nca.exporters.settings import ExportOptions
from nca.rule import Rule
from nca.rulefile import RuleFile, load_rule, rule_name
from nca.viewer.app import run as open_window
from nca.viewer.settings import view_settings

# Target by file extension.
EXTENSIONS = {
    ".html": "html",
    ".js": "web-component",
    ".fs": "isf",
    ".isf": "isf",
    ".frag": "glslviewer",
    ".glsl": "glsl",
    ".wgsl": "wgsl",
    ".gd": "godot",
    ".glb": "gltf",
}


def export(
    rule: AnyRule | Mapping[str, AnyRule], path: str | Path, target: str | None = None
) -> Path:
    """Write a rule for a browser or another program; existing files are replaced.

    ::

        page = nca.export("scales", "scales.html")
        folder = nca.export("scales", "shadertoy", target="shadertoy")

    Args:
        rule: a rule, its file or its name, as in :func:`nca.load`. The targets ``html``,
            ``web-component`` and ``gallery``, which can show several rules, also accept a dict
            from names to rules.
        path: path of the result; a folder if the target consists of several files.
        target: a name as in ``nca export --to``. None: the file extension decides: ``.html``,
            ``.js`` (a custom HTML element), ``.fs`` or ``.isf``, ``.frag`` (glslViewer),
            ``.glsl``, ``.wgsl``, ``.gd`` (Godot) or ``.glb`` (glTF).

    Returns:
        Path of the written file or folder. For a folder, the extension is dropped. For a file, it
        is replaced if the target program needs a different one.

    Raises:
        InputError: no target has this extension or name, the path cannot be written, or a weight
            is not finite.
    """
    out = Path(path)
    if target is not None and target not in target_names():
        raise InputError(f"`target` {target}: must be one of {', '.join(target_names())}")
    if target is None:
        target = _target_of(out)
        out = out.with_suffix(find_target(target).suffix or "")
    several = rule if isinstance(rule, Mapping) else {rule_name(out): rule}
    files = {name: _with_file(each) for name, each in several.items()}
    return export_to(files, target, out, ExportOptions(overwrite=True), measured=False).out


def view(rule: AnyRule | Iterable[AnyRule]) -> None:
    """Open a window that runs a rule, to paint and record; return when the window is closed.

    ::

        nca.view("scales")
        nca.view([nca.load("scales"), "mine.safetensors"])

    Args:
        rule: a rule, its file or its name, as in :func:`nca.load`; or up to 16 of them, which share
            one grid.

    Raises:
        InputError: see :func:`nca.load`.
        GraphicsError: there is no display or no usable OpenGL.
    """
    rules = [rule] if isinstance(rule, Rule | str | Path) else list(rule)
    with tempfile.TemporaryDirectory() as folder:  # the window reads and watches files
        paths = [rule_file(each, Path(folder) / str(i)) for i, each in enumerate(rules)]
        open_window(view_settings(*paths))


def _target_of(path: Path) -> str:
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(
            f"`path` {path}: its file extension must be one of {', '.join(EXTENSIONS)}; or set "
            f"`target`, one of {', '.join(target_names())}"
        )
    return EXTENSIONS[path.suffix.lower()]


def _with_file(rule: AnyRule) -> RuleFile:
    """The content of a rule file; keeps the author and license if the rule comes from a file."""
    if isinstance(rule, str | Path):
        return load_rule(rule_path(rule))
    return RuleFile(as_rule(rule).with_settings().cpu())
