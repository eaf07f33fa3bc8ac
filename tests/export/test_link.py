"""Rules as the text of a link, and the target that prints it."""

import re
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from PIL import Image

from nca.cli import main
from nca.exporters.field_link import read_fields
from nca.exporters.hosts.link import TARGET, choose_bits
from nca.exporters.link import read_link, shortened, write_link
from nca.exporters.settings import ExportOptions
from nca.rule import Rule
from nca.rule_settings import Quantization, Quantizer, RuleSettings
from nca.rulefile import RuleFile, save_rule
from tests.helpers.rules import bounded_rule

FULL = RuleSettings(
    6, 10, "reflect", 0.25, rgb_scale=2.0, rgb_offset=0.1, alive_threshold=0.1, start="center",
    noise_level=0.5, hidden_clip=2.0, calm=True,
    quantization=Quantization(Quantizer(4.0, 127 / 255), hidden=Quantizer(2.0, 0.0, 65536)),
)  # fmt: skip
MAPS = RuleSettings(
    8, 10, "zeros", maps=("color", "roughness", "normal"), dilations=(1, 1, 1, 1, 3, 3, 3)
)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("settings", [RuleSettings(4, 8), RuleSettings(12, 96), FULL, MAPS])
def test_a_link_holds_the_rule_but_for_the_last_digits_of_its_weights(settings, bits):
    rule = bounded_rule(settings, update_bias=settings.calm)
    short = shortened(rule, bits)
    assert short.settings == settings
    assert torch.equal(short.filters, rule.filters)
    assert [name for name, _ in short.named_parameters()] == [n for n, _ in rule.named_parameters()]
    for a, b in zip(short.parameters(), rule.parameters(), strict=True):
        # Half a step, and scales are rounded by up to 1 / 128.
        most = 0.51 * float(b.detach().abs().max()) / (2 ** (bits - 1) - 1)
        assert float((a - b).detach().abs().max()) <= most


def test_filters_and_extreme_weights_are_kept():
    filters = torch.rand(3, 3, 3, generator=torch.Generator().manual_seed(1))
    rule = Rule(RuleSettings(4, 30), filters)
    with torch.no_grad():
        rule.w1.zero_()
        rule.b1.fill_(3e38)
        rule.w2.fill_(1e-44)
    short = shortened(rule, 16)
    assert torch.equal(short.filters, filters)
    assert not short.w1.any()
    assert torch.isfinite(short.b1).all()
    assert float(short.b1.detach()[0]) == pytest.approx(3e38, rel=1e-4)
    assert torch.isfinite(short.w2).all()


def test_links_are_as_short_as_promised():
    assert len(write_link(bounded_rule(RuleSettings(4, 8)), 8)) < 250
    assert len(write_link(bounded_rule(RuleSettings(12, 96)), 8)) < 9000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-1], "incomplete or damaged"),
        (lambda text: text[:40] + "A" + text[41:], "incomplete or damaged"),
        (lambda text: "", "incomplete or damaged"),
        (lambda text: text + "!", "incomplete or damaged"),
        (lambda text: "Ag" + text[2:], "has version 2, but this program reads 1"),
        (lambda text: "A" * 4_000_001, "more than 4000000 characters"),
    ],
)
def test_damaged_links_are_refused(change, said):
    text = write_link(bounded_rule(RuleSettings(4, 8)), 8)
    with pytest.raises(ValueError, match=said):
        read_link(change(text))


def test_bits_are_those_that_keep_the_picture(monkeypatch):
    rule = bounded_rule(RuleSettings(4, 8, start="noise", noise_level=1.0))
    monkeypatch.setattr("nca.exporters.hosts.link.GROWN", 30)
    assert choose_bits(rule) == 8

    def spoiled(rule: Rule, bits: int) -> Rule:
        return rule.with_settings(rgb_offset=0.9 if bits == 8 else 0.5)

    monkeypatch.setattr("nca.exporters.hosts.link.shortened", spoiled)
    assert choose_bits(rule) == 16


def test_the_command_prints_links_and_how_far_they_are_from_the_rules(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("nca.exporters.hosts.link.GROWN", 20)
    path = tmp_path / "a & b.safetensors"
    save_rule(path, bounded_rule(RuleSettings(4, 8)))
    assert main(["export", str(path), "--to", "link"]) == 0
    link, said = capsys.readouterr().out.splitlines()
    values = parse_qs(link.removeprefix("#"), strict_parsing=True)
    assert values["m"] == ["a & b"]
    read_link(values["r"][0])
    assert re.fullmatch(
        r"a & b: 2\d\d characters, 8 bits per weight; largest difference of weights 0\.\d+, of the"
        r" state 0\.\d+ and of colors 0\.\d+ after 10 steps",
        said,
    )
    assert main(["export", str(path), "--to", "link", "--out", str(tmp_path / "a.txt")]) == 0
    assert (tmp_path / "a.txt").read_text() == f"{link}\n"
    assert said.partition(": ")[2] in capsys.readouterr().out


def test_a_link_holds_the_directions_of_a_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nca.exporters.hosts.link.GROWN", 2)
    path, picture = tmp_path / "a.safetensors", tmp_path / "map.png"
    save_rule(path, bounded_rule(RuleSettings(4, 8)))
    Image.fromarray(np.repeat(np.uint8([[40], [200]]), 50, 1).repeat(30, 0)).save(picture)
    arguments = ["export", str(path), "--direction-map", str(picture), "--to"]
    assert main([*arguments, "link"]) == 0
    link = capsys.readouterr().out.splitlines()[0]
    texels = read_fields(parse_qs(link.removeprefix("#"))["p"][0], 60, 50).texels
    assert texels[::59, :, 0].unique(dim=1).tolist() == [[40], [200]]
    assert texels[..., 1:].unique().tolist() == [128]
    assert main([*arguments, "isf", "--out", str(tmp_path / "a.fs")]) == 2
    assert "--direction-map: only links store directions, not --to isf" in capsys.readouterr().err


def test_other_targets_ask_for_a_path(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    save_rule(path, bounded_rule(RuleSettings(4, 8)))
    assert main(["export", str(path), "--to", "isf"]) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_names_stay_in_their_place(monkeypatch):
    monkeypatch.setattr("nca.exporters.hosts.link.GROWN", 2)
    files = TARGET.build({"a&r=b#\n": RuleFile(bounded_rule(RuleSettings(4, 8)))}, ExportOptions())
    (text,) = files.values()
    assert parse_qs(text.decode().strip().removeprefix("#"))["m"] == ["a&r=b#"]
