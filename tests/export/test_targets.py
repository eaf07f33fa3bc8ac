"""Exports: their reports, their errors, and that no file is half-written."""

import json
import os
import stat
from pathlib import Path

import moderngl
import pytest
import torch

from nca.errors import FailedError, GraphicsError, InputError
from nca.exporters.command import export
from nca.exporters.folder import write_folder
from nca.exporters.parity import compare
from nca.exporters.registry import find_target, target_names
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Target
from nca.rule import Rule
from nca.rule_settings import EIGHT_BIT_STATE, Quantization, RuleSettings
from nca.rulefile import RuleFile
from tests.helpers.hosts import TARGETS, golden_rule
from tests.helpers.rules import bounded_rule

NASTY = "</script>\n*/ #version 300 \\\n\"quoted\" 'name' \u00fcmlaut \u2603 \x00 ?>"


@pytest.fixture
def rule() -> RuleFile:
    return RuleFile(bounded_rule(RuleSettings(4, 8)), {"author": "Ann"})


@pytest.fixture
def unmeasured(monkeypatch):
    def none() -> moderngl.Context:
        raise GraphicsError("no OpenGL here")

    monkeypatch.setattr(compare, "open_headless", none)


@pytest.mark.gl
# Unity's files cannot be run here; tests/export/hosts/test_unity.py translates them.
@pytest.mark.parametrize("target", [name for name in TARGETS if name != "unity"])
def test_every_target_reports_what_it_measured(gl, rule, target, tmp_path):
    if target == "wgsl":
        pytest.importorskip("wgpu")
    out = tmp_path / "out"
    report = export({"lava": rule}, target, out, ExportOptions(grid=32), context=gl)
    difference = report.differences["lava"]
    assert difference.reason == ""
    assert difference.largest is not None
    assert difference.largest < 1e-5
    assert difference.steps >= 8
    assert sorted(one.path for one in report.files) == sorted(
        path for path in out.rglob("*") if path.is_file()
    )
    assert all(one.size == one.path.stat().st_size for one in report.files)
    assert "lava: " in "\n".join(report.lines())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.gl
def test_the_manifest_holds_the_measure(gl, rule, tmp_path):
    report = export({"lava": rule}, "glsl", tmp_path / "out", ExportOptions(), context=gl)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["parity"]["tolerance"] == 1e-5
    assert manifest["parity"]["measured"]["largest"] == report.differences["lava"].largest


@pytest.mark.gl
def test_a_wrong_shader_shows_in_its_measurement(gl, rule, tmp_path):
    """The measurement runs the written files: damage one and see."""
    host = TARGETS["glsl"]
    files = dict(host.build({"lava": rule}, ExportOptions()))
    text = files["330/step.frag"].decode()
    files["330/step.frag"] = text.replace("nca_mask *", "0.9 * nca_mask *").encode()
    assert files["330/step.frag"] != text.encode()
    far = host.measure({"lava": rule}, files, ExportOptions(), gl)["lava"].largest
    assert far is not None
    assert far > 1e-3


def test_without_graphics_it_exports_and_says_so(rule, tmp_path, unmeasured):
    report = export({"lava": rule}, "isf", tmp_path / "a.fs", ExportOptions())
    assert "not measured: no OpenGL here" in "\n".join(report.lines())
    assert (tmp_path / "a.fs").stat().st_size == report.files[0].size


def test_one_rule_of_one_file_goes_where_it_should(rule, tmp_path, unmeasured):
    export({"lava": rule}, "isf", tmp_path / "mine.fs", ExportOptions())
    assert (tmp_path / "mine.fs").is_file()
    export({"lava": rule, "Lava": rule}, "isf", tmp_path / "two", ExportOptions())
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["Lava-2.fs", "lava.fs"]
    export({"lava": rule, "sand": rule}, "shadertoy", tmp_path / "toys", ExportOptions())
    assert (tmp_path / "toys" / "sand" / "common.glsl").is_file()


@pytest.mark.parametrize("target", target_names())
def test_every_module_of_the_folder_is_a_target(target):
    assert isinstance(find_target(target), Target)


def test_long_names_that_begin_alike_get_files_of_their_own(rule):
    files = find_target("isf").build({"a" * 70: rule, "a" * 80: rule}, ExportOptions())
    assert list(files) == ["a" * 60 + ".fs", "a" * 60 + "-2.fs"]


@pytest.mark.parametrize("target", TARGETS)
def test_any_name_is_harmless(target, tmp_path, unmeasured):
    file = golden_rule()
    file.info["license"] = NASTY
    report = export({NASTY: file}, target, tmp_path / "out", ExportOptions())
    for one in report.files:
        assert one.path.name.isascii()
        text = one.path.read_text(encoding="utf-8")
        assert "\x00" not in text
        assert text.isascii()
        if one.path.suffix in (".frag", ".glsl", ".wgsl", ".js"):
            for line in text.splitlines():
                assert not ("script" in line and not line.startswith("//")), line
    if target == "isf":
        (path,) = (one.path for one in report.files)
        header = json.loads(path.read_text().removeprefix("/*").partition("*/")[0])
        assert header["ISFVSN"] == "2"


def test_a_weight_that_is_not_finite_is_refused(tmp_path):
    rule = Rule(RuleSettings(4, 8))
    with torch.no_grad():
        rule.w2[1, 2] = float("nan")
    for target in target_names():
        with pytest.raises(InputError, match="bad: w2 holds a number that is not finite"):
            export({"bad": RuleFile(rule)}, target, tmp_path / "out", ExportOptions())
    assert list(tmp_path.iterdir()) == []


def test_unknown_targets_and_no_rules_are_refused(rule, tmp_path):
    with pytest.raises(InputError, match="`to` unreal: no such target; there are comfyui, gallery"):
        export({"lava": rule}, "unreal", tmp_path / "out", ExportOptions())
    with pytest.raises(InputError, match="no rule"):
        export({}, "glsl", tmp_path / "out", ExportOptions())


@pytest.mark.parametrize(
    ("name", "value"),
    [("grid", 7), ("grid", 5000), ("steps_per_frame", 0), ("seed", -1), ("seed", 2**32)],
)
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=str(value)):
        ExportOptions(**{name: value})


def test_what_is_there_is_kept(rule, tmp_path, unmeasured):
    out = tmp_path / "out"
    export({"lava": rule}, "shadertoy", out, ExportOptions())
    (out / "mine.txt").write_text("mine")
    (out / "image.glsl").write_text("old")
    with pytest.raises(InputError, match="exists already"):
        export({"lava": rule}, "shadertoy", out, ExportOptions())
    assert (out / "image.glsl").read_text() == "old"
    export({"lava": rule}, "shadertoy", out, ExportOptions(overwrite=True))
    assert (out / "image.glsl").read_text() != "old"
    assert (out / "mine.txt").read_text() == "mine"


def test_paths_that_cannot_be_written_are_refused(rule, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "folder.fs").mkdir()
    for target, out, said in [
        ("glsl", file, "is a file"),
        ("isf", tmp_path / "folder.fs", "is a folder"),
        ("isf", tmp_path / "none" / "a.fs", "no folder"),
        ("glsl", tmp_path / "none" / "a", "no folder"),
        ("glsl", file / "a", "no folder"),
    ]:
        with pytest.raises(InputError, match=said):
            export({"lava": rule}, target, out, ExportOptions())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.fs"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_not_writable_is_refused(rule, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError, match="not writable"):
        export({"lava": rule}, "glsl", tmp_path / "out", ExportOptions())


def test_nothing_is_left_of_a_folder_that_fails(tmp_path, monkeypatch):
    files = {"a.txt": b"a", "b/c.txt": b"c"}

    write, written = Path.write_bytes, []

    def soon_full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 1:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", soon_full)
    with pytest.raises(FailedError, match="No space left"):
        write_folder(tmp_path / "out", files)
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []


def test_notes_say_what_to_expect(tmp_path, unmeasured):
    rounded = Rule(RuleSettings(12, 96, quantization=Quantization(state=EIGHT_BIT_STATE)))
    options = ExportOptions(weights="inline", state="rgba8")
    found = " ".join(export({"r": RuleFile(rounded)}, "glsl", tmp_path / "a", options).lines())
    assert "too many" not in found, "no limit of this host is known"
    assert "0.016 apart" in found
    assert "not trained for" not in found
    plain = RuleFile(Rule(RuleSettings(4, 8)))
    found = " ".join(export({"r": plain}, "glsl", tmp_path / "b", options).lines())
    assert "not trained for an 8-bit state" in found


def test_a_shader_too_long_for_its_site_is_reported(tmp_path, unmeasured):
    large = {"r": RuleFile(bounded_rule(RuleSettings(12, 96)))}
    found = " ".join(export(large, "shadertoy", tmp_path / "a", ExportOptions()).lines())
    assert "65000 may be too many; `digits` 5 makes it shorter" in found
