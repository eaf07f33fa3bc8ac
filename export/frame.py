"""Show a rule in a notebook: its page in a frame, or a still picture where frames do not work."""

import html

from PIL import Image

from nca.backends.simulate import simulate
from nca.errors import InputError
from nca.exporters.hosts.html import page_html
from nca.images import data_url, png_base64, to_image
from nca.rule import Rule
from nca.rulefile import RuleFile

SIDE = 400  # pixels of the frame
CELLS, STEPS = 128, 400  # side and number of steps of the still picture

# The frame is sandboxed without an origin, so the page can reach neither the notebook nor its
# server. Its own policy forbids network requests. If the frame is removed, as in a notebook that is
# not trusted, the picture is visible instead.
FRAME = (
    '<div style="position: relative; width: {side}px; height: {side}px">'
    '<img src="{still}" alt="{title}" width="{side}" height="{side}">'
    '<iframe sandbox="allow-scripts" srcdoc="{page}" title="{title}" width="{side}" '
    'height="{side}" style="position: absolute; inset: 0; border: 0"></iframe></div>'
)


def mime_bundle(rule: Rule) -> dict[str, str]:
    """Show a rule as a running page, a picture and text, by MIME type, for ``_repr_mimebundle_``.

    A rule with a decoder is shown as a picture. If a weight is not finite, there is only the text.
    """
    plain = rule.with_settings().cpu()
    words = {"text/plain": repr(plain)}
    if plain.decoder is not None:
        return {**words, "image/png": png_base64(still(plain))}
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
    """Draw a picture of what a rule grows."""
    side = CELLS if rule.decoder is None else SIDE // rule.settings.pixels_per_cell
    (state,) = simulate(rule, rule.initial_state(1, side, side), [STEPS], calm=rule.settings.calm)
    return to_image(rule.to_image(state)[0].nan_to_num())
