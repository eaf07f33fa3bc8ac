import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from nca.decoder import DecoderSettings
from nca.errors import InputError
from nca.rule import Rule
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import MAX_HEADER, load_rule, save_rule
from tests.helpers.rules import with_random_decoder


@pytest.fixture
def rule() -> Rule:
    return Rule(RuleSettings(), update_bias=True, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def path(tmp_path: Path, rule: Rule) -> Path:
    save_rule(tmp_path / "rule.safetensors", rule, {"author": "somebody", "gadget": {"a": [1]}})
    return tmp_path / "rule.safetensors"


def header_of(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["nca"])


def rewrite(path: Path, header: object = None, **tensors: torch.Tensor | None) -> None:
    """Write the file again with another header or other tensors, unchecked."""
    kept = load_file(path) | tensors
    text = json.dumps(header_of(path)) if header is None else header
    save_file({k: v for k, v in kept.items() if v is not None}, path, {"nca": text})


def test_a_rule_comes_back_as_it_was(path: Path, rule: Rule) -> None:
    loaded = load_rule(path)
    assert loaded.rule.settings == rule.settings
    assert loaded.info == {"author": "somebody", "gadget": {"a": [1]}}
    for name, tensor in rule.state_dict().items():
        assert torch.equal(loaded.rule.state_dict()[name], tensor)


def test_unknown_entries_are_kept(path: Path, tmp_path: Path) -> None:
    loaded = load_rule(path)
    save_rule(tmp_path / "again.safetensors", loaded.rule, loaded.info)
    assert header_of(tmp_path / "again.safetensors")["gadget"] == {"a": [1]}


def test_every_setting_comes_back(tmp_path: Path) -> None:
    every = RuleSettings(12, 5, "reflect", 0.25, 2.0, 0.1, 0.1, "noise", 0.3, 2.0,
                         Quantization(state=Quantizer(4, 0.5, 16)), True,
                         DecoderSettings(4, 3, (16, 17), "relu"), dilations=(2, 3))  # fmt: skip
    filters = torch.randn(2, 3, 3)
    rule = Rule(every, filters)
    save_rule(tmp_path / "r", rule)
    loaded = load_rule(tmp_path / "r").rule
    assert loaded.settings == every
    for name, tensor in rule.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert torch.equal(loaded.filters, filters)


def test_maps_come_back(tmp_path: Path) -> None:
    settings = RuleSettings(maps=("color", "height", "normal"))
    save_rule(tmp_path / "r", Rule(settings))
    assert header_of(tmp_path / "r")["settings"]["maps"] == ["color", "height", "normal"]
    assert load_rule(tmp_path / "r").rule.settings == settings


def test_a_decoder_has_an_output_for_every_channel_of_the_maps(tmp_path: Path) -> None:
    settings = RuleSettings(maps=("color", "normal", "height"), decoder=DecoderSettings())
    rule = with_random_decoder(settings)
    path = tmp_path / "r"
    save_rule(path, rule)
    loaded = load_rule(path).rule
    assert loaded.settings == settings
    assert torch.equal(loaded.decoder.w2, rule.decoder.w2)
    rewrite(path, **{"decoder.w2": rule.decoder.w2[:3].clone()})
    with pytest.raises(InputError, match=r"decoder\.w2 must have shape \(7, 32\), not \(3, 32\)"):
        load_rule(path)
    settings = replace(settings, maps=())
    header = header_of(path) | {"settings": settings.to_dict()}
    rewrite(path, json.dumps(header), **{"decoder.w2": rule.decoder.w2.detach()})
    with pytest.raises(
        InputError, match=r"decoder\.b2 must have shape \(3,\), not \(7,\)|w2 must have"
    ):
        load_rule(path)


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({}, "1.0"),
        ({"calm": True}, "1.1"),
        ({"decoder": DecoderSettings()}, "2.0"),
        ({"maps": ("color",)}, "2.1"),
        ({"maps": ("color", "normal"), "decoder": DecoderSettings()}, "3.0"),
        ({"dilations": (1, 1, 2, 3)}, "4.0"),
    ],
)
def test_a_file_has_the_lowest_version_that_holds_its_settings(
    tmp_path: Path, changes: dict[str, Any], version: str
) -> None:
    save_rule(tmp_path / "r", Rule(RuleSettings(6, 4, **changes)))
    assert header_of(tmp_path / "r")["version"] == version


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "format is not 'nca-rule'"),
        ({"version": "5.0"}, "version is 5.0, but this program reads 4"),
        ({"version": "new"}, "version is 'new'"),
        ({"version": None}, "version is 'None'"),
        ({"settings": None}, "no 'settings'"),
        ({"settings": {"channels": 9}}, "w1 must have shape"),
        ({"settings": {"channels": 99999}}, "channels must be 4 to 64"),
        ({"settings": {"chanels": 8}}, "unknown setting 'chanels'"),
        ({"version": "9" * 5000}, "its version is '999"),
        ({"settings": {"rgb_scale": 10**400}}, "rgb_scale must be a finite number, not 1000"),
        ({"settings": {"rgb_scale": 1e308}}, r"finite number, not 1e\+308"),
        ({"settings": {"update_rate": True}}, "update_rate must be a finite number, not True"),
        ({"settings": {"alive_threshold": -(10**400)}}, "alive_threshold must be a finite"),
        ({"settings": {"noise_level": []}}, r"noise_level must be a finite number, not \[\]"),
        ({"settings": {"padding": {}}}, "padding must be one of"),
        ({"settings": {"quantization": {"state": {"range": 10**400, "zero": 0}}}}, "range must"),
        ({"settings": {"quantization": {"state": {"range": 1, "zero": "0"}}}}, "zero must"),
        (
            {"settings": {"quantization": {"state": {"range": 1, "zero": 0, "levels": {}}}}},
            "levels",
        ),
        ({"settings": {"a\x1b[2J": 1}}, r"unknown setting 'a\\x1b\[2J'"),
        ({"version": "5.\x1b[2J"}, r"its version is 5\.\\x1b\[2J, but this program reads 4"),
        ({"settings": {"decoder": 8}}, "a setting has the wrong type"),
        ({"settings": {"decoder": {"scale": 17}}}, "decoder scale must be 2 to 16, not 17"),
        ({"settings": {"decoder": {"sale": 8}}}, "unexpected keyword argument 'sale'"),
        ({"settings": {"decoder": {}}}, r"no tensor 'decoder\.b1'"),
        ({"settings": {"maps": "color"}}, "maps must be a list of names, not 'color'"),
        ({"settings": {"maps": ["color", "gloss"]}}, "maps: 'gloss' must be one of color, normal"),
        ({"settings": {"maps": ["color", "color"]}}, "maps must not repeat a name, but are color"),
        ({"settings": {"maps": ["height"]}}, "maps must begin with color, not height"),
        (
            {"settings": {"maps": ["color", "normal", "height", "roughness", "occlusion"]}},
            "maps color, normal, height, roughness, occlusion need 9 channels, not 8",
        ),
    ],
)
def test_a_wrong_header_is_refused(path: Path, change: dict[str, object], said: str) -> None:
    rewrite(path, json.dumps(header_of(path) | change))
    with pytest.raises(InputError, match=said) as caught:
        load_rule(path)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("header", ["", "[1]", "nan", "{", "[" * 100_000])
def test_a_header_that_is_no_object_is_refused(path: Path, header: str) -> None:
    rewrite(path, header)
    with pytest.raises(InputError, match="not a usable rule file"):
        load_rule(path)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"w1": None}, "no tensor 'w1'"),
        ({"w3": torch.zeros(1)}, "unknown tensor 'w3'"),
        ({"w1": torch.zeros(32, 31)}, r"w1 must have shape \(32, 32\), not \(32, 31\)"),
        ({"b1": torch.zeros(32, dtype=torch.float64)}, "b1 must be float32"),
        ({"w2": torch.full((8, 32), torch.nan)}, "w2 holds a number that is not finite"),
        ({"filters": torch.zeros(17, 3, 3)}, "filters must be 1 to 16, not 17"),
        ({"filters": torch.zeros(())}, "filters must be 1 to 16, not 0"),
    ],
)
def test_wrong_tensors_are_refused(path: Path, tensors: dict[str, torch.Tensor], said: str) -> None:
    rewrite(path, **tensors)
    with pytest.raises(InputError, match=said):
        load_rule(path)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"decoder.w2": None}, r"no tensor 'decoder\.w2'"),
        ({"decoder.w3": torch.zeros(1)}, r"unknown tensor 'decoder\.w3'"),
        ({"decoder.w1": torch.zeros(32, 15)}, r"decoder\.w1 must have shape \(32, 8\), not"),
        ({"decoder.b2": torch.full((3,), torch.inf)}, r"decoder\.b2 holds a number that is not"),
    ],
)
def test_wrong_tensors_of_a_decoder_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], said: str
) -> None:
    save_rule(tmp_path / "r", Rule(RuleSettings(decoder=DecoderSettings())))
    rewrite(tmp_path / "r", **tensors)
    with pytest.raises(InputError, match=said):
        load_rule(tmp_path / "r")


def test_a_decoder_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    rule = Rule(RuleSettings(decoder=DecoderSettings()))
    with torch.no_grad():
        rule.decoder.b1[0] = torch.nan
    with pytest.raises(InputError, match=r"decoder\.b1 holds a number that is not finite"):
        save_rule(tmp_path / "r", rule)


def test_a_file_cut_short_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in (*range(0, 64), *range(64, len(data), 97), len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="not a usable rule file"):
            load_rule(path)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_garbage_ever_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    save_rule(folder / "rule", Rule(RuleSettings(4, 2)))
    raw = bytearray((folder / "rule").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / "rule").write_bytes(raw)
    try:
        loaded = load_rule(folder / "rule").rule
    except InputError:
        pass
    else:
        assert all(torch.isfinite(p).all() for p in loaded.parameters())


@pytest.mark.parametrize(
    "change",
    [
        '"gadget": ' + "9" * 5000,
        '"gadget": ' + "[" * 100 + "]" * 100,
        '"gadget": ' + "[" * 900 + "]" * 900,
    ],
)
def test_free_fields_of_no_use_to_anybody_are_refused(path: Path, change: str) -> None:
    rewrite(path, json.dumps(header_of(path))[:-1] + f", {change}}}")
    with pytest.raises(InputError, match="not a usable rule file"):
        load_rule(path)


def test_a_header_that_would_fill_the_memory_is_refused(path: Path) -> None:
    rewrite(path, json.dumps(header_of(path) | {"gadget": "a" * MAX_HEADER}))
    with pytest.raises(InputError, match=r"header has .* bytes; the limit is 8,388,608"):
        load_rule(path)
    path.write_bytes(b"\xff" * 8 + bytes(100))
    with pytest.raises(InputError, match="header too large"):
        load_rule(path)


def test_free_fields_can_be_written_again_whatever_they_are(path: Path, tmp_path: Path) -> None:
    odd = ', "a": NaN, "b": [1e999, "\\ud800"], "c\\udcff": 1'
    rewrite(path, json.dumps(header_of(path))[:-1] + odd + "}")
    loaded = load_rule(path)
    save_rule(tmp_path / "again", loaded.rule, loaded.info)
    again = load_rule(tmp_path / "again").info
    assert again == loaded.info
    assert again == {"author": "somebody", "gadget": {"a": [1]}, "a": None, "b": [None, "?"],
                     "c?": 1}  # fmt: skip


@pytest.mark.parametrize("training", [None, 5, "long", [1]])
def test_fields_of_another_kind_are_taken_for_missing(path: Path, training: object) -> None:
    rewrite(path, json.dumps(header_of(path) | {"training": training, "author": training}))
    file = load_rule(path)
    assert file.training == {}
    assert file.text("author") == (training if training == "long" else "")
    assert file.text("license") == ""


def test_no_folder_gets_into_a_rule_file_or_out_of_an_older_one(
    path: Path, rule: Rule, tmp_path: Path
) -> None:
    info = {"training": {"settings": {"picture": "/home/anna/leaf.png", "out": Path("runs/anna")}}}
    names = {"training": {"settings": {"picture": "leaf.png", "out": "anna"}}}
    save_rule(tmp_path / "new", rule, info)
    assert header_of(tmp_path / "new")["training"] == names["training"]
    older = {"training": {"settings": {"picture": "/home/anna/leaf.png", "out": "/tmp/anna"}}}
    rewrite(path, json.dumps(header_of(path) | older))
    assert load_rule(path).training == names["training"]


def test_a_file_that_is_cut_while_it_is_read_ends_no_process(path: Path, tmp_path: Path) -> None:
    """A rule file that another process writes in place, as ``cp`` does, is read or refused."""
    reader = """
import sys, time
from pathlib import Path
from nca.errors import InputError
from nca.rulefile import load_rule
print("ready", flush=True)
while Path(sys.argv[2]).exists():
    try:
        load_rule(Path(sys.argv[1]))
    except InputError:
        pass
"""
    going, good = tmp_path / "going", path.read_bytes()
    going.touch()
    command = [sys.executable, "-c", reader, str(path), str(going)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(5000):
            path.write_bytes(good)
        going.unlink()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<html>Not found</html>", "it is an HTML or XML page"),
        (b"", "it is empty"),
    ],
)
def test_what_was_downloaded_instead_is_named(path: Path, data: bytes, said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        load_rule(path)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(InputError) as caught:
        load_rule(missing)
    assert str(caught.value) == f"cannot read {missing}: No such file or directory"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="it is a pipe or a device"):
        load_rule(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a folder"):
        load_rule(tmp_path)


def test_a_rule_with_a_nan_is_not_written(tmp_path: Path, rule: Rule) -> None:
    with torch.no_grad():
        rule.w1[0, 0] = torch.nan
    with pytest.raises(InputError, match="w1 holds a number that is not finite"):
        save_rule(tmp_path / "r", rule)
    assert not list(tmp_path.iterdir())
