"""A rule as a notebook shows it: its page in a frame, and a still picture where there are none."""

import html

from PIL import Image

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.exporters.hosts.html import page_html
from nca.images import data_url, png_base64, to_image
from nca.rule import Rule
from nca.rulefile import RuleFile

SIDE = 400  # pixels of the frame
CELLS, STEPS = 128, 400  # of the still picture

# Sandboxed without an origin, the page reaches neither the notebook nor its server, and its own
# policy lets it ask the network for nothing. The picture is seen where the frame is taken out, as
# it is from a notebook that is not trusted.
FRAME = (
    '<div style="position: relative; width: {side}px; height: {side}px">'
    '<img src="{still}" alt="{title}" width="{side}" height="{side}">'
    '<iframe sandbox="allow-scripts" srcdoc="{page}" title="{title}" width="{side}" '
    'height="{side}" style="position: absolute; inset: 0; border: 0"></iframe></div>'
)


def mime_bundle(rule: Rule) -> dict[str, str]:
    """A rule by MIME type, for ``_repr_mimebundle_``: running, still, and as words.

    A rule with weights that are not finite has words only.
    """
    plain = rule.with_settings().cpu()
    words = {"text/plain": repr(plain)}
    try:
        page = page_html({"texture": RuleFile(plain)}).decode()
    except InputError as error:
        return {"text/plain": f"{plain!r}: {error}"}
    picture = still(plain)
    frame = FRAME.format(
        side=SIDE, still=data_url(picture), title=html.escape(repr(plain)), page=html.escape(page)
    )
    return {**words, "text/html": frame, "image/png": png_base64(picture)}


def still(rule: Rule) -> Image.Image:
    """A picture of what a rule grows."""
    (state,) = simulate(rule, rule.seed(1, CELLS, CELLS), [STEPS], calm=rule.settings.calm)
    return to_image(rule.to_rgb(state)[0].nan_to_num())
