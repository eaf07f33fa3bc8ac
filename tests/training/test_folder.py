"""Folders of results."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nca.errors import InputError
from nca.options import override
from nca.training.callbacks import save_checkpoint
from nca.training.folder import (
    CHECKPOINT,
    SETTINGS,
    check_resumable,
    make_folder,
    open_folder,
    prepare_folder,
    saved_state,
    write_settings,
)
from nca.training.settings import RunSettings

RESULTS = ("preview.png", SETTINGS, CHECKPOINT)


@dataclass(frozen=True)
class Settings:
    out: Path
    learning_rate: float = 0.1
    iterations: int = 5
    run: RunSettings = field(default_factory=RunSettings)


def test_results_are_not_overwritten_unless_asked(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    prepare_folder(folder, RESULTS, overwrite=False)
    for name in ("preview.png", "mine.txt"):
        (folder / name).touch()
    with pytest.raises(InputError, match=r"already has preview\.png; use `overwrite`"):
        prepare_folder(folder, RESULTS, overwrite=False)
    prepare_folder(folder, RESULTS, overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; give a folder"):
        prepare_folder(tmp_path / "file", RESULTS, overwrite=True)
    with pytest.raises(InputError, match="Not a directory"):
        prepare_folder(tmp_path / "file" / "run", RESULTS, overwrite=True)


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("missing")
    for use in (make_folder, lambda path: prepare_folder(path, RESULTS, overwrite=True)):
        with pytest.raises(InputError, match="link: is a link to missing, which does not exist"):
            use(tmp_path / "link")
    (tmp_path / "missing").mkdir()
    make_folder(tmp_path / "link")


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_killed_process_left_is_removed(tmp_path: Path, resume: bool) -> None:
    settings = Settings(tmp_path, run=RunSettings(resume=resume))
    if resume:
        write_settings(settings)
        save_checkpoint(tmp_path / CHECKPOINT, {})
    names = {".preview.png.a1b2c3_9", ".settings.json.abcdefgh"}
    for name in (*names, ".preview.png.backup", ".other.png.a1b2c3_9"):
        (tmp_path / name).touch()
    open_folder(settings, RESULTS, ())
    left = {path.name for path in tmp_path.iterdir()} - set(RESULTS)
    assert left == {".preview.png.backup", ".other.png.a1b2c3_9"}


@pytest.mark.parametrize("text", ["[]", "5", "null", '"text"', "[" * 1_000_000, "", "\xff"])
def test_settings_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CHECKPOINT).touch()
    (tmp_path / SETTINGS).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"^`resume`: .*settings\.json"):
        check_resumable(Settings(tmp_path), ())


def test_only_limits_may_change_on_resuming(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    with pytest.raises(InputError, match=r"there is no checkpoint\.pt in"):
        saved_state(tmp_path)
    with pytest.raises(InputError, match=r"settings\.json cannot be read"):
        check_resumable(settings, ("iterations",))
    write_settings(settings)
    assert json.loads((tmp_path / SETTINGS).read_text())["iterations"] == 5
    check_resumable(replace(settings, iterations=9), ("iterations",))
    with pytest.raises(InputError, match=r"`learning_rate` was 0\.1, not 0\.2; it cannot change"):
        check_resumable(replace(settings, learning_rate=0.2), ("iterations",))


@dataclass(frozen=True)
class Named:
    out: Path
    content: Path
    styles: tuple[Path, ...] = ()
    mask: Path | None = None
    features: str = "builtin"
    sizes: tuple[int, int] = (1, 2)


def test_settings_are_kept_without_folders(tmp_path: Path) -> None:
    folder = tmp_path / "anna" / "run"
    folder.mkdir(parents=True)
    settings = Named(folder, Path("/home/anna/leaf.png"), (Path("anna/b.png"), Path("c.png")),
                     features="/home/anna/net.safetensors")  # fmt: skip
    write_settings(settings)
    text = (folder / SETTINGS).read_text()
    assert "anna" not in text
    assert json.loads(text) == {
        "out": "run", "content": "leaf.png", "styles": ["b.png", "c.png"], "mask": None,
        "features": "net.safetensors", "sizes": [1, 2],
    }  # fmt: skip
    (folder / CHECKPOINT).touch()
    moved = replace(settings, content=Path("elsewhere/leaf.png"), features="./net.safetensors")
    check_resumable(moved, ("out",))
    for change, said in (
        ({"content": Path("/home/anna/bark.png")}, r"`content` was leaf\.png, not bark\.png"),
        ({"styles": ()}, r"`styles` was \['b\.png', 'c\.png'\], not \[\]"),
        ({"mask": Path("m.png")}, r"`mask` was None, not m\.png"),
        ({"features": "vgg16"}, r"`features` was net\.safetensors, not vgg16"),
    ):
        with pytest.raises(InputError, match=said):
            check_resumable(replace(settings, **change), ("out",))


def test_older_settings_with_whole_paths_are_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).touch()
    settings = Named(tmp_path, Path("pictures/leaf.png"), (Path("/a/b.png"), Path("c.png")),
                     Path("m.png"), "/home/anna/net.safetensors")  # fmt: skip
    older = {
        "out": "runs/x", "content": "pictures/leaf.png", "styles": ["/a/b.png", "d/c.png"],
        "mask": "/m.png", "features": "/home/anna/net.safetensors", "sizes": [1, 2],
    }  # fmt: skip
    (tmp_path / SETTINGS).write_text(json.dumps(older))
    check_resumable(settings, ("out",))
    (tmp_path / SETTINGS).write_text(json.dumps(older | {"styles": ["/a/b.png", "d/c.png", "e"]}))
    with pytest.raises(InputError, match="`styles` was"):
        check_resumable(settings, ("out",))


@pytest.mark.parametrize(
    "text", ["[]", "5", "null", "", "[" * 5000, '{"sizes": ' + "[" * 200 + "]" * 200 + "}"]
)
def test_settings_that_are_none_get_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / CHECKPOINT).touch()
    (tmp_path / SETTINGS).write_text(text)
    with pytest.raises(InputError, match=r"`resume`: .*settings\.json cannot be read"):
        check_resumable(Named(tmp_path, Path("a")), ())


def test_a_folder_is_begun_by_the_first_process_or_gone_on_with(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "run")
    open_folder(settings, RESULTS, ("iterations",), rank=1)
    assert not settings.out.exists()
    open_folder(settings, RESULTS, ("iterations",))
    write_settings(settings)
    save_checkpoint(settings.out / CHECKPOINT, {"a": 1})
    with pytest.raises(InputError, match="use `overwrite` or `resume`"):
        open_folder(settings, RESULTS, ("iterations",))
    again = override(settings, {"resume": True})
    open_folder(again, RESULTS, ("resume",), rank=1)
    assert saved_state(again.out) == {"a": 1}
    with pytest.raises(InputError, match="`learning_rate` was"):
        open_folder(override(again, {"learning_rate": 1.0}), RESULTS, ("resume",))
    open_folder(override(settings, {"overwrite": True}), RESULTS, ())
    assert list(settings.out.iterdir()) == []
