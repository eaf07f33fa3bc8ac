"""The contents of an installation."""

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_is_installed_and_no_tool() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = set()
    for name, folder in setuptools["package-dir"].items():
        for path in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join([name, *path.parent.relative_to(ROOT / folder).parts]))
    assert found == set(setuptools["packages"])
    assert not any("tools" in name for name in found)


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in ("nca", "nca/exporters", "nca/viewer", "nca/benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    }


def imported(path: Path, names: Collection[str]) -> set[str]:
    """Modules of ours that a module imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:  # not those of functions or of type checking
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in names else node.module)
    return found & set(names)


def test_no_module_imports_itself_by_way_of_others() -> None:
    paths = modules()
    graph = {name: imported(path, paths) for name, path in paths.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(paths) > 200


def test_a_pool_needs_few_modules() -> None:
    code = (
        "import sys, nca.texture.pool; print([m for m in sys.modules if m.split('.')[0] == 'nca'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(ast.literal_eval(done.stdout)) <= 12


def test_no_folder_is_crowded() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = map(Path, files.stdout.splitlines())
    folders = Counter(str(name.parent) for name in names if not (ROOT / name).is_symlink())
    assert max(folders.values()) <= 16, folders.most_common(3)
