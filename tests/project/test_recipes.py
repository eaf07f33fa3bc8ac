"""The recipes of CONTRIBUTING.md, applied to a copy of the package as they stand, and run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "CONTRIBUTING.md"
FOLDERS = ("nca", "export", "viewer", "shaders", "benchmarks")
# Existing files that may be touched, and places in them.
BOUNDS = {
    "A loss term": (1, 2),
    "A statistic": (1, 2),
    "A feature set": (1, 2),
    "An export target": (0, 0),
    "A callback": (0, 0),
    "A task": (2, 3),
    "A brush": (2, 2),
}
QUICK = {
    "nca train": "--preset tiny --size 32 --grid 32 --late-grid 32 --steps 2 3 --late-steps 2 3 "
    "--pool-size 6 --iterations 2 --quiet",
}


@dataclass
class Edit:
    """Code for a file: the whole of a new one, or lines beside a line that exists."""

    path: str
    code: str
    where: str = ""
    line: str = ""


@dataclass
class Recipe:
    """A section of the guide."""

    edits: list[Edit] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


BLOCK = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<path>[^`]+)`, (?P<where>after|before) `(?P<line>[^`]+)`"
    r"|(?P<run>Run it)):\n\n```\w+\n(?P<code>.*?)```$",
    re.MULTILINE | re.DOTALL,
)


def recipes() -> dict[str, Recipe]:
    """Recipes of the guide by title; those of sections that edit files."""
    found: dict[str, Recipe] = {}
    for section in re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)[1:]:
        recipe = found[section.partition("\n")[0]] = Recipe()
        for block in BLOCK.finditer(section):
            if block["run"]:
                recipe.commands += block["code"].strip().splitlines()
            elif block["new"]:
                recipe.edits.append(Edit(block["new"], block["code"]))
            else:
                recipe.edits.append(
                    Edit(block["path"], block["code"], block["where"], block["line"])
                )
    return {title: recipe for title, recipe in found.items() if recipe.edits}


def apply(edit: Edit, root: Path) -> None:
    """Write the code where the recipe says."""
    path = root / edit.path
    if not edit.where:
        assert not path.exists()
        path.write_text(edit.code)
        return
    lines = path.read_text().splitlines(keepends=True)
    (place,) = [i for i, line in enumerate(lines) if line.rstrip("\n") == edit.line]
    lines.insert(place + (edit.where == "after"), edit.code)
    path.write_text("".join(lines))


def test_every_recipe_has_a_bound() -> None:
    assert set(recipes()) == set(BOUNDS)


@pytest.mark.slow
@pytest.mark.parametrize("title", BOUNDS)
def test_a_recipe_works_as_it_stands(title: str, tmp_path: Path) -> None:
    recipe = recipes()[title]
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    for edit in recipe.edits:
        apply(edit, tmp_path)
    changed = [edit.path for edit in recipe.edits if edit.where]
    files, places = BOUNDS[title]
    assert len(set(changed)) <= files
    assert len(changed) <= places
    Image.effect_noise((40, 40), 60).convert("RGB").save(tmp_path / "leaf.png")
    assert recipe.commands
    for command in recipe.commands:
        words = shlex.split(command + " " + QUICK.get(" ".join(command.split()[:2]), ""))
        program = {"nca": [sys.executable, "-m", "nca"], "python": [sys.executable]}[words[0]]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        subprocess.run([*program, *words[1:]], cwd=tmp_path, env=environment, check=True)
