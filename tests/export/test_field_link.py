"""Fields as the text of an address."""

import pytest
import torch

from nca.exporters.field_link import SIDE, read_fields, write_fields
from nca.exporters.link_text import pack_text
from nca.fields.texels import Fields, direction_byte, neutral


def around(height: int, width: int) -> torch.Tensor:
    """Directions around the middle."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    texels = neutral(height, width)
    texels[..., 0] = direction_byte(torch.atan2(y + 0.5 - height / 2, x + 0.5 - width / 2))
    return texels


def test_small_fields_are_kept_exactly():
    random = torch.Generator().manual_seed(3)
    texels = torch.randint(0, 256, (20, SIDE, 4), dtype=torch.uint8, generator=random)
    assert torch.equal(read_fields(write_fields(Fields(texels)), 20, SIDE).texels, texels)
    assert write_fields(Fields(neutral(9, 9))) == ""


def test_large_fields_stay_close_and_short():
    texels = around(107, 160)
    text = write_fields(Fields(texels))
    assert len(text) < 1000
    found = read_fields(text, 107, 160).texels
    away = (found[..., 0].int() - texels[..., 0].int() + 128) % 256 - 128
    assert float(away.abs().float().mean()) < 1
    assert torch.equal(found[..., 1:], texels[..., 1:])
    texels = neutral(107, 160)
    texels[30:70, 20:120, 2] = 192
    assert len(write_fields(Fields(texels))) < 150
    noise = torch.randint(0, 256, (64, 64, 4), dtype=torch.uint8)
    assert len(write_fields(Fields(noise))) < 5600


def test_values_between_are_interpolated_and_directions_take_the_short_way():
    texels = torch.tensor([[[252, 0, 128, 0], [4, 255, 128, 0]]], dtype=torch.uint8)
    found = read_fields(write_fields(Fields(texels)), 1, 4).texels[0]
    assert found[:, 0].tolist() == [252, 254, 2, 4]
    assert found[:, 1].tolist() == [0, 64, 191, 255]
    assert found[:, 2:].unique(dim=0).tolist() == [[128, 0]]


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            bytes([16, 2, 2, 253, 1]),
            "fields must have 1 to 4 channels, and 1 to 32 columns and rows",
        ),
        (
            bytes([1, 0, 2, 253, 1]),
            "fields must have 1 to 4 channels, and 1 to 32 columns and rows",
        ),
        (
            bytes([1, 2, 33, 253, 1]),
            "fields must have 1 to 4 channels, and 1 to 32 columns and rows",
        ),
        (bytes([1, 2, 2, 3, 1, 2]), "the text of the fields is incomplete"),
        (bytes([3, 2, 2, 253, 1]), "the text of the fields is incomplete"),
        (bytes([1, 2, 2, 252, 1]), "a run in the text of the fields is too long"),
        (bytes([1, 2, 2, 253, 1, 0]), "the text of the fields is too long"),
    ],
)
def test_damaged_texts_are_refused(contents, said):
    with pytest.raises(ValueError, match=said):
        read_fields(pack_text(contents), 8, 8)
