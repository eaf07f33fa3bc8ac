"""The general decoder: one source for all rules, configured by macros at its top.

The weights come from the texture. See :mod:`nca.exporters.glsl.general`.
"""

from nca.exporters.glsl.emitter import MATRIX
from nca.exporters.glsl.fragments import WEIGHTS
from nca.exporters.glsl.general import macros, padding_text
from nca.exporters.glsl.text import template
from nca.rule import Rule


def general_details(rule: Rule, weights: str = WEIGHTS) -> str:
    """Emit ``nca_details`` of a rule."""
    defined = macros(rule).items()
    return "".join(f"#define {name} {value}\n" for name, value in defined) + decoder_text(weights)


def decoder_text(weights: str = WEIGHTS) -> str:
    """Emit ``nca_details`` for any rule with a decoder, without macros.

    ``weights`` is the source of ``nca_weight``.
    """
    return weights + MATRIX + padding_text("nca_fetch") + template("decoder.glsl")
