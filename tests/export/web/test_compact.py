"""Texts of a page are shorter, and mean the same."""

import re
import shutil
import subprocess

import pytest
from rjsmin import jsmin

from nca.exporters.glsl.fragments import Capabilities, step_passes
from nca.exporters.glsl.general import general_text
from nca.exporters.web.compact import (
    compact_shader,
    with_references,
    with_short_names,
    without_references,
)
from nca.exporters.web.page import PAGE_SCRIPTS, PageSettings, page_source, player_data
from nca.rule_settings import RuleSettings
from tests.helpers.rules import bounded_rule


def test_a_shader_keeps_the_lines_of_the_preprocessor():
    text = "#version 300 es\n// first\n#define A (b)\nvec2 a = vec2(0.5, 10.0); /* c */\n#if A\n"
    assert compact_shader(text) == ("#version 300 es\n#define A (b)\nvec2 a=vec2(.5,10.);\n#if A\n")
    assert len(compact_shader(general_text())) < 0.9 * len(general_text())


def test_no_template_literal_of_the_page_holds_another():
    for name in PAGE_SCRIPTS:
        for template in re.findall(r"`(?:\\.|[^`\\])*`", page_source(f"{name}.js"), re.S):
            assert template.count("${") == len(re.findall(r"\$\{[^`]*?\}", template)), name


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_the_scripts_are_still_scripts(tmp_path):
    for name in (*PAGE_SCRIPTS, "stage", "component"):
        (tmp_path / "one.js").write_text(f"async () => {{{jsmin(page_source(f'{name}.js'))}}}")
        subprocess.run(["node", "--check", tmp_path / "one.js"], check=True)


@pytest.mark.parametrize("settings", [RuleSettings(8, 12), RuleSettings(7, 10)])
def test_weights_are_named_by_their_place(settings):
    rule = bounded_rule(settings)
    for digits in (9, 5):
        (whole,) = step_passes(rule, Capabilities(), digits=digits)
        short = with_references(step_passes(rule, Capabilities())[0].fragment, rule)
        assert len(short) < 0.6 * len(whole.fragment)
        assert without_references(short, rule, digits) == whole.fragment


def test_names_are_short_except_those_that_other_texts_use():
    text = "uniform vec2 nca_a; vec2 nca_b(vec2 nca_c) { return nca_a * nca_c * nca_c + nca_d; }"
    short = "uniform vec2 nca_a; vec2 _b(vec2 _a) { return nca_a * _a * _a + nca_d; }"
    assert with_short_names(text, ["nca_d"]) == short


def test_the_decoder_shares_no_short_name_with_the_shaders_that_it_is_joined_with():
    data = player_data(PageSettings())
    colors, fine, decoder = (
        set(re.findall(r"\b(?:_|d_)[a-zA-Z]{1,2}\b", data[name]))
        for name in ("colors", "fine", "decoder")
    )
    assert len(decoder) > 10
    assert len(colors & fine) > 10
    assert not decoder & (colors | fine)
