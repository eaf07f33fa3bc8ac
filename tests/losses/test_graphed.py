"""Loss terms as CUDA graphs; without a GPU, what is recorded and what is not."""

import pytest
import torch
from torch import Tensor

from nca.losses.graphed import Graphed, with_graphs
from nca.losses.patches import NearestPatches
from nca.losses.pixels import TotalVariation
from nca.losses.term import Sum, Term, Weighted


class Noise(Term):
    random = True

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return {"noise": torch.rand(len(images))}


def test_what_draws_random_numbers_is_not_recorded() -> None:
    term = with_graphs(2 * (TotalVariation() + Noise()))
    assert isinstance(term, Weighted)
    assert isinstance(term.term, Sum)
    smooth, noise = term.term.terms
    assert isinstance(smooth, Graphed)
    assert isinstance(noise, Noise)
    assert repr(smooth) == "TotalVariation()"


def test_patches_draw_random_numbers() -> None:
    term = NearestPatches(torch.rand(1, 3, 32, 32), torch.Generator())
    assert with_graphs(term) is term


def test_images_on_a_cpu_go_through_the_term() -> None:
    images = torch.rand(2, 3, 9, 9, requires_grad=True)
    value = with_graphs(TotalVariation())(images)["smooth"]
    assert torch.equal(value, TotalVariation()(images)["smooth"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_recording_gives_the_same_values_and_gradients() -> None:
    term, recorded = TotalVariation(), with_graphs(TotalVariation())
    for seed in (0, 1):  # the second is a replay
        images = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(seed)).cuda()
        images.requires_grad_(True)
        (right,) = torch.autograd.grad(term(images)["smooth"].sum(), images)
        (got,) = torch.autograd.grad(recorded(images)["smooth"].sum(), images)
        assert torch.allclose(got, right, atol=1e-6)
