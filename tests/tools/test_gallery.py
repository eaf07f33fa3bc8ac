"""The options for training the gallery again are those that the bundled rules were trained with."""

import pytest

from nca.gallery import KINDS, gallery, gallery_path
from nca.rulefile import load_rule
from tools.gallery import ITERATIONS, options_of


@pytest.mark.parametrize("name", gallery(*KINDS))
def test_options_are_those_of_the_bundled_rule(name: str) -> None:
    recorded = load_rule(gallery_path(name)).info["training"]["settings"]
    # Earlier versions recorded no dilation and no curvature weight.
    defaults = {"seed": 0, "dilation": 1, "decoder": 0, "curvature_weight": 0.0}
    wanted = defaults | {"iterations": ITERATIONS} | options_of(name)
    assert {key: recorded.get(key, defaults.get(key)) for key in wanted} == wanted
