"""A rule as a link: the part after "#" of the address of any page that ``nca export`` makes.

Without an output path, the links are printed. A link has 8 bits per weight if the rule then still
makes the same texture, otherwise 16. It can also hold a field of directions.
"""

from pathlib import Path
from urllib.parse import quote

import torch
from moderngl import Context
from torch import Tensor
from typing_extensions import override

from nca.evaluation.measures import PatchDistance
from nca.exporters.field_link import SIDE, write_fields
from nca.exporters.glsl.text import file_names
from nca.exporters.link import Bits, read_link, shortened, write_link
from nca.exporters.parity.compare import Difference, grown_state
from nca.exporters.settings import ExportOptions
from nca.exporters.target import Files, Rules, Target, check_rules
from nca.exporters.web.page import rule_label
from nca.fields.directions import direction_fields, mapped_angles
from nca.fields.texels import Fields
from nca.images import read_image
from nca.rule import Rule

SIZE, GROWN = 64, 500  # cells per side, steps
MAX_RATIO = 1.25  # times the distance between two runs of the original rule
UNSEEN = 1.0  # a patch distance too small to see: colors differ by about 1/100
STEPS = 10


class Link(Target):
    """Links to rules; only ``direction_map`` affects them."""

    @override
    def build(self, rules: Rules, options: ExportOptions) -> Files:
        check_rules(rules)
        picture = options.link.direction_map
        fields = None if picture is None else _mapped(picture)
        return {
            f"{stem}{self.suffix}": f"{fragment(name, file.rule, fields)}\n".encode()
            for stem, (name, file) in zip(file_names(rules), rules.items(), strict=True)
        }

    @override
    def measure(
        self, rules: Rules, files: Files, options: ExportOptions, context: Context | None = None
    ) -> dict[str, Difference]:
        del options, context
        return {
            name: _difference(file.rule, text.decode().strip())
            for (name, file), text in zip(rules.items(), files.values(), strict=True)
        }

    @override
    def printed(self, rules: Rules, options: ExportOptions) -> list[str]:
        files = self.build(rules, options)
        lines = []
        for (name, difference), text in zip(
            self.measure(rules, files, options).items(), files.values(), strict=True
        ):
            lines += [text.decode().strip(), f"{rule_label(name)}: {difference.notes[0]}"]
        return lines


def fragment(name: str, rule: Rule, fields: Fields | None = None) -> str:
    """Return the part of an address from "#" on."""
    text = write_fields(fields) if fields else ""
    painted = f"&p={text}" if text else ""
    return f"#r={write_link(rule, choose_bits(rule))}&m={quote(rule_label(name), safe='')}{painted}"


def _mapped(path: Path) -> Fields:
    """Read the directions in a picture, on the coarse grid of a link."""
    picture = read_image(path)
    smaller = SIDE / max(picture.size)
    width, height = (max(1, round(side * smaller)) for side in picture.size)
    return direction_fields(mapped_angles(picture, height, width))


def choose_bits(rule: Rule) -> Bits:
    """Return 8 if the shortened rule looks about like a second run of the original, else 16."""
    pictures = _pictures(rule)
    distance = PatchDistance(pictures[:1])
    own, short = (float(distance(p[1:])) for p in (pictures, _pictures(shortened(rule, 8))))
    return 8 if short <= max(MAX_RATIO * own, UNSEEN) else 16


@torch.no_grad()
def _pictures(rule: Rule) -> Tensor:
    """Draw the textures of two runs, [2, 3, h, w]."""
    state = rule(rule.initial_state(2, SIZE, SIZE), GROWN)
    return rule.to_image(state).nan_to_num().clamp(0, 1)


@torch.no_grad()
def _difference(rule: Rule, text: str) -> Difference:
    link = text.removeprefix("#r=").partition("&")[0]
    short = read_link(link)
    pairs = zip(rule.parameters(), short.parameters(), strict=True)
    weights = max(float((a - b).abs().max()) for a, b in pairs)
    state = grown_state(rule, SIZE, SIZE, 0)
    runs = [one(state, STEPS) for one in (rule, short)]
    colors = [one.to_image(run).clamp(0, 1) for one, run in zip((rule, short), runs, strict=True)]
    states, seen = (float((a - b).abs().max()) for a, b in (runs, colors))
    bits = 16 if write_link(short, 16) == link else 8
    note = (
        f"{len(text):,} characters, {bits} bits per weight; largest difference of weights"
        f" {weights:.2g}, of the state {states:.2g} and of colors {seen:.2g} after {STEPS} steps"
    )
    return Difference(states, STEPS, notes=(note,))


TARGET = Link(verified="tested in Chromium", suffix=".txt")
