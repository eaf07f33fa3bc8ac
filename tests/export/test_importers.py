"""Published rules: the article's 66, muNCA shaders, and malicious files."""

import base64
import io
import json
import os
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from nca.errors import InputError
from nca.exporters.hosts import glsl
from nca.exporters.importers import import_rules, read_published, read_snippet
from nca.exporters.settings import ExportOptions, ImportSettings
from nca.exporters.web.page import _kept_thumbnail
from nca.rule import LAPLACIAN, SOBEL_X, SOBEL_Y
from nca.rule_settings import Quantization
from nca.rulefile import RuleFile, load_rule
from tests.helpers.hosts import TARGETS, compile_glsl
from tests.helpers.rules import published_rules

MATRICES = np.random.default_rng(0).integers(-80, 80, (4, 16)).tolist()
BIAS = [2, -5, -14, 9]


def literal(numbers):
    return f"mat4({', '.join(map(str, numbers))})"


SNIPPET = f"""
// p: laplacian, laplacian, sobel x, sobel y
vec4 rule(vec4 s, vec4 p) {{
  /* mat4(1) * nothing */
  return s + (vec4(2., -5., -14., 9.)
    + {literal(MATRICES[0])} * s + {literal(MATRICES[1])} * p
    + {literal(MATRICES[2])} * abs(s) + {literal(MATRICES[3])} * abs(p)) / 500.0;
}}
"""
ARRAYS = f"""
this.W = new Float32Array([{", ".join(str(n) for m in MATRICES for n in m)}]);
this.b = new Float32Array({BIAS});
vec4 rule(vec4 s, vec4 p) {{
  return 2e-3*(b + W[0]*s + W[1]*p + W[2]*abs(s) + W[3]*abs(p));
}}
"""


def write_png(size, mode="RGBA"):
    data = io.BytesIO()
    Image.new(mode, size, 127).save(data, format="PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def article(**changes):
    """A small file in the article's format: 2 rules of 4 channels and 8 hidden units."""
    first = {
        "scale": 2.0,
        "data": write_png((2 * 2, 17)),
        "shape": [17, 8],
        "quant_scale_zero": [2.0, 0.0],
        "layout": [2, 1],
    }
    second = {
        "scale": 1.0,
        "data": write_png((2 * 1, 9)),
        "shape": [9, 4],
        "quant_scale_zero": [4.0, 127 / 255],
        "layout": [2, 1],
    }
    return {"model_names": ["a", "b"], "layers": [first | changes, second]}


@pytest.fixture
def read(tmp_path):
    def read_text(text, suffix=".json"):
        path = tmp_path / f"published{suffix}"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return read_published(path)

    return read_text


def test_the_articles_rules_are_read_exactly(published):
    rules = read_published(published)
    expected = published_rules(published)
    assert list(rules) == list(expected)
    for name, rule in expected.items():
        got = rules[name].rule
        assert got.settings == rule.settings
        assert torch.equal(got.filters, rule.filters)
        for tensor, values in rule.named_parameters():
            assert torch.equal(got.get_parameter(tensor), values), (name, tensor)
        assert "Distill" in rules[name].info["source"]


def test_they_become_rule_files(published, tmp_path):
    written = import_rules(ImportSettings(file=published, out=tmp_path / "rules"))
    assert len(written) == 66
    file = load_rule(tmp_path / "rules" / "bubbly_0101.safetensors")
    assert file.rule.settings.hidden_clip == 2
    assert "Niklasson" in file.info["author"]
    with pytest.raises(InputError, match="use `overwrite`"):
        import_rules(ImportSettings(file=published, out=tmp_path / "rules"))


def test_a_small_file_in_their_format(read):
    rules = read(article())
    assert list(rules) == ["a", "b"]
    settings = rules["a"].rule.settings
    assert (settings.channels, settings.hidden) == (4, 8)
    assert settings.hidden_clip == 2


@pytest.mark.gl
@pytest.mark.slow
def test_every_published_rule_runs_as_in_torch(gl, published):
    """The acceptance test of the emitter: all 66, rounded as published, and unrounded."""
    options = ExportOptions(weights="texture", steps_per_frame=1)
    for name, file in read_published(published).items():
        rule = file.rule
        state = rule(rule.initial_state(1, 24, 32), 50)
        got = glsl.run(glsl.build(name, file, options), rule, options, state[0], 1, gl)
        far = (got - rule(state, 1)[0]).abs()
        # A sum that is added up in another order may be rounded to the neighboring level; where
        # that is a perceived value, the change of the cell may be some levels away.
        assert float(far.max()) < 4.01 * 4 / 255, name
        assert float((far < 1e-5).float().mean()) > 0.99, name
        rule.settings = replace(rule.settings, quantization=Quantization())
        got = glsl.run(glsl.build(name, file, options), rule, options, state[0], 1, gl)
        assert float((got - rule(state, 1)[0]).abs().max()) < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_every_published_rule_exports_to_every_host(published, target):
    for name, file in read_published(published).items():
        files = TARGETS[target].build({name: file}, ExportOptions())
        assert files
        if target == "glsl":
            compile_glsl(files["300es/step.frag"].decode(), "frag")


def mu_step(state):
    """One step of the snippets by their own formula. State [1, 4, H, W]."""
    filters = torch.tensor([LAPLACIAN, LAPLACIAN, SOBEL_X, SOBEL_Y])[:, None]
    perceived = F.conv2d(F.pad(state, (1, 1, 1, 1), mode="circular"), filters, groups=4)
    values = [state, perceived, state.abs(), perceived.abs()]
    change = torch.tensor(BIAS, dtype=torch.float32)[None, :, None, None].expand_as(state)
    for numbers, value in zip(MATRICES, values, strict=True):
        matrix = torch.tensor(numbers, dtype=torch.float32).reshape(4, 4).T
        change = change + torch.einsum("oi,bihw->bohw", matrix, value)
    return state + change / 500


@pytest.mark.parametrize("text", [SNIPPET, ARRAYS, SNIPPET.replace("\n", "\r\n\t")])
def test_a_mu_rule_is_its_formula(read, text):
    (file,) = read(text, ".glsl").values()
    state = torch.rand(1, 4, 12, 15, generator=torch.Generator().manual_seed(0)) - 0.5
    assert (file.rule(state, 1) - mu_step(state)).abs().max() < 1e-5
    assert file.rule.settings.update_rate == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [17, 1 << 40]}, "shape must be two whole numbers"),
        ({"shape": [65536, 65536]}, "4 to 1024 hidden units, not 4 and 65536"),
        ({"shape": [17, 7]}, "a multiple of 4 outputs"),
        ({"shape": [17.0, 8]}, "shape must be two whole numbers"),
        ({"shape": [21, 8]}, "does not fit"),
        ({"shape": None}, "shape must be"),
        ({"layout": [65536, 65536]}, "too large"),
        ({"layout": [1, 1]}, "no room for 2 rules"),
        ({"layout": [3, 1]}, "shape and layout give"),
        ({"scale": "1"}, "scale must be a number"),
        ({"scale": True}, "scale must be a number"),
        ({"scale": 10**400}, "scale must be a number, not 1000"),
        ({"scale": 1e308}, "scale must be a number, not 1e"),
        ({"shape": [10**400, 8]}, "shape must be two whole numbers, not"),
        ({"quant_scale_zero": [10**400, 0]}, "quant_scale_zero must be two numbers"),
        ({"quant_scale_zero": [0, 0]}, "range must be above 0"),
        ({"quant_scale_zero": 1}, "two numbers"),
        ({"data": 7}, "base64 PNG"),
        ({"data": "http://example.org/a.png"}, "must begin with data:image/png"),
        ({"data": "data:image/png;base64,@@@@"}, "not base64"),
        ({"data": "data:image/png;base64,AAAA"}, "not a PNG"),
        ({"data": write_png((4, 17))[:-30] + "AAAA"}, "data is not"),
        ({"data": write_png((4, 17), "L")}, "mode L"),
    ],
)
def test_damaged_files_get_one_line(read, change, said):
    with pytest.raises(InputError, match=said) as caught:
        read(article(**change))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_png_bomb_is_not_unpacked(read):
    def chunk(kind, data):
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    side = (50_000).to_bytes(4, "big")
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", side + side + b"\x08\x06\0\0\0")
    bomb += chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    data = "data:image/png;base64," + base64.b64encode(bomb).decode()
    with pytest.raises(InputError, match="data is not a PNG that can be read"):
        read(article(data=data))
    # In a rule file a thumbnail is left out, and grown.
    assert _kept_thumbnail(data) is None
    assert _kept_thumbnail(write_png((64, 64))) is not None
    assert _kept_thumbnail(write_png((300, 300))) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[" * 10**5, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"a": ' * 10**4, "not JSON"),
        ('{"scale": NaN}', "model_names"),
        ({"model_names": ["a", "a"], "layers": []}, "different names"),
        ({"model_names": ["a"], "layers": [1]}, "two layers"),
        ({"model_names": ["a"], "layers": [1, 2]}, "not an object"),
    ],
)
def test_other_json_gets_one_line(read, text, said):
    with pytest.raises(InputError, match=said) as caught:
        read(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 terms"),
        (SNIPPET.replace("* abs(p)", ""), "3 terms"),
        (SNIPPET.replace("abs(p)", "abs(s)"), "two matrices"),
        (SNIPPET.replace("abs(p)", "abs(q)"), "mat4"),
        (SNIPPET.replace("+ mat4(", "+ mat4(1, ", 1), "17 numbers"),
        (SNIPPET.replace("+ mat4(", "+ mat4(1e9, ", 1), "1e6 or larger"),
        (SNIPPET.replace("500.0", "0.0"), "multiplies the sum"),
        (SNIPPET + "vec4 other = vec4(1, 2, 3, 4);", "which one is the bias"),
        (ARRAYS.replace("this.W", "this.V"), "no array W"),
        (ARRAYS.replace("W[3]", "W[4]"), "0 numbers"),
        ("/*" * 10**4, "terms"),
        ("mat4(" + "1" * 60_000, "terms"),
        ("mat4(" + "1," * 30_000, "terms"),
        ("a" * 60_000, "terms"),
        (" " * 60_000 + "*", "terms"),
        ("1" * 10**6, "1,000,000 characters; the limit is"),
    ],
)
def test_other_shaders_get_one_line(text, said):
    with pytest.raises(ValueError, match=said) as caught:
        read_snippet(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_mark_at_the_beginning_is_no_part_of_the_text(tmp_path, encoding):
    (tmp_path / "a.json").write_text(json.dumps(article()), encoding=encoding)
    (tmp_path / "b.glsl").write_text(SNIPPET, encoding=encoding)
    assert list(read_published(tmp_path / "a.json")) == ["a", "b"]
    assert list(read_published(tmp_path / "b.glsl")) == ["b"]


def test_what_was_downloaded_instead_is_named(tmp_path):
    (tmp_path / "a.json").write_text("version https://git-lfs.github.com/spec/v1")
    (tmp_path / "b.glsl").write_text("<!DOCTYPE html>")
    with pytest.raises(InputError, match="git lfs pull"):
        read_published(tmp_path / "a.json")
    with pytest.raises(InputError, match="HTML"):
        read_published(tmp_path / "b.glsl")


def test_a_weight_beyond_float32_is_refused(read):
    with pytest.raises(InputError, match="published: w2 holds a number that is not finite"):
        read(SNIPPET.replace(") / 500.0", ") * 1").replace("(vec4", "1e38 * (vec4"), ".glsl")


def test_files_that_cannot_be_read_get_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="it is a pipe or a device"):
        read_published(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="cannot read"):
        read_published(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
        read_published(tmp_path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match="neither JSON nor"):
        read_published(tmp_path / "bytes.json")


def test_a_name_that_is_a_path_stays_in_the_folder(tmp_path):
    data = article() | {"model_names": ["../../evil", "/etc/passwd\n"]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    written = import_rules(ImportSettings(file=tmp_path / "a.json", out=tmp_path / "out"))
    assert [one.path.parent for one in written] == [tmp_path / "out"] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "out"]


def test_a_snippet_keeps_no_code(read):
    (file,) = read(SNIPPET, ".txt").values()
    assert isinstance(file, RuleFile)
    assert set(file.info) == {"source"}
