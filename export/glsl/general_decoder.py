"""The general decoder: one source for all rules, configured by macros at its top.

The weights come from the texture. A page contains this source; ``shaders/page/player`` makes the
same macros.
"""

from nca.exporters.glsl.decoder_weights import layer_sizes
from nca.exporters.glsl.emitter import MATRIX
from nca.exporters.glsl.fragments import WEIGHTS
from nca.exporters.glsl.general import macros, padding_text
from nca.exporters.glsl.text import template
from nca.exporters.glsl.weights import step_texels
from nca.rule import Rule

ACTIVATED = {"sine": "sin(nca_h)", "relu": "max(nca_h, 0.0)"}


def general_details(rule: Rule) -> str:
    """``nca_details`` of a rule."""
    defined = decoder_macros(rule).items()
    return "".join(f"#define {name} {value}\n" for name, value in defined) + decoder_text()


def decoder_text() -> str:
    """``nca_details`` of any rule with a decoder, without macros."""
    return WEIGHTS + MATRIX + padding_text("nca_fetch") + template("decoder.glsl")


def decoder_macros(rule: Rule) -> dict[str, str]:
    """The macros of a rule with a decoder, those of its step included."""
    assert rule.decoder is not None
    sizes = layer_sizes(rule.decoder)
    return {
        **macros(rule),
        "NCA_DECODER": str(step_texels(rule)),
        "NCA_LAYERS": str(len(sizes) - 1),
        "NCA_SIZES": ", ".join(map(str, sizes)),
        "NCA_LARGEST": str(max(sizes)),
        "NCA_ACTIVATED": ACTIVATED[rule.decoder.settings.activation],
    }
