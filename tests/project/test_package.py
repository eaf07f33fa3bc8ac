"""The distribution: its files, its metadata, its one version, its pinned releases."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nca

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CODE = PROJECT["tool"]["setuptools"]["package-dir"]


def tracked(*folders: str) -> list[str]:
    """Files of the tree that are, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def requirements() -> Iterator[Requirement]:
    """What an installation with the extras ``all`` and ``dev`` needs."""
    extras = PROJECT["project"]["optional-dependencies"]
    lines = list(PROJECT["project"]["dependencies"])
    for extra in (*Requirement(extras["all"][0]).extras, "docs", "dev"):
        lines += extras[extra]
    return (needed for needed in map(Requirement, lines) if needed.name != "nca-studio")


def test_the_version_is_the_same_everywhere() -> None:
    assert f"\nversion: {nca.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {nca.__version__} - 20" in (ROOT / "CHANGELOG.md").read_text()


def test_every_requirement_has_one_release_that_it_allows() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pins = {canonicalize_name(name): release for name, release in (x.split("==") for x in lines)}
    assert len(pins) == len(lines)
    for needed in requirements():
        assert needed.specifier.contains(pins[canonicalize_name(needed.name)]), needed


def test_every_requirement_has_a_reason() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    extras = PROJECT["project"]["optional-dependencies"]
    lines = sum(extras.values(), PROJECT["project"]["dependencies"])
    rows = re.findall(r"^\| (`.+?) \|", guide.partition("\n## Dependencies\n")[2], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w.-]+)`", row)}
    assert named == {Requirement(line).name for line in lines} - {"nca-studio"}


@dataclass
class Built:
    """Paths of what was built."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


def build(source: Path, out: Path, *kinds: str) -> None:
    """Build without the network: with the setuptools that is installed."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(out)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheel and sdist of the tree, and the wheel that the sdist gives."""
    folder = tmp_path_factory.mktemp("package")
    for name in tracked():
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "tree" / name, follow_symlinks=False)
    build(folder / "tree", folder / "first", "--wheel", "--sdist")
    (sdist,) = folder.glob("first/*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    build(unpacked, folder / "second", "--wheel")
    (wheel,), (again,) = folder.glob("first/*.whl"), folder.glob("second/*.whl")
    return Built(wheel, sdist, again)


def contents(wheel: Path) -> dict[str, bytes]:
    """Files of a wheel, without the list of their hashes."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")
        }


@pytest.mark.slow
def test_a_wheel_holds_all_code_and_data(built: Built) -> None:
    expected = set()
    for package, folder in CODE.items():
        for name in tracked(folder):
            if not (ROOT / name).is_symlink():
                expected.add(package.replace(".", "/") + name.removeprefix(folder))
    found = {name for name in contents(built.wheel) if ".dist-info/" not in name}
    assert found == expected
    assert {Path(name).suffix for name in found} >= {".py", ".glsl", ".cpp", ".h", ".safetensors"}


@pytest.mark.slow
def test_the_sdist_gives_the_same_wheel(built: Built) -> None:
    assert contents(built.wheel) == contents(built.wheel_of_sdist)


@pytest.mark.slow
def test_metadata_is_what_an_index_takes(built: Built) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"-{nca.__version__}-" in built.wheel.name
    (license_,) = [text for name, text in contents(built.wheel).items() if "licenses/" in name]
    assert license_ == (ROOT / "LICENSE").read_bytes()
