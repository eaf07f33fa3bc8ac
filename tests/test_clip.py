"""CLIP by open_clip, with a tiny model that the tests make: no weights are fetched."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nca.errors import InputError
from nca.losses.clip import PromptLoss, load_clip
from nca.texture.settings import PRESETS
from nca.texture.train import train

try:
    import torchvision  # noqa: F401
except ImportError:
    pass
except RuntimeError:
    # Its compiled operators do not load beside a torch of another build; open_clip needs none of
    # them, but torchvision wants to see these two before it can be imported.
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
open_clip = pytest.importorskip("open_clip", reason="the extra clip is not installed")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of random weights, in a folder as open_clip keeps them."""
    from safetensors.torch import save_file  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("clip")
    model = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
        },
    }  # fmt: skip
    preprocess = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
    config = {"model_cfg": model, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    weights = open_clip.CLIP(
        model["embed_dim"], model["vision_cfg"], model["text_cfg"]
    ).state_dict()
    save_file(
        {k: v.contiguous() for k, v in weights.items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def test_the_model_is_the_one_in_the_folder(tiny: Path) -> None:
    clip = load_clip(str(tiny))
    assert clip.side == 32
    assert clip.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert not any(weight.requires_grad for weight in clip.model.parameters())
    again = load_clip(str(tiny))
    words = clip.tokenize(["scales"])
    assert torch.equal(clip.model.encode_text(words), again.model.encode_text(words))


def test_the_distance_is_the_squared_angle(tiny: Path) -> None:
    clip = load_clip(str(tiny))
    loss = PromptLoss(clip, "glowing dragon scales", torch.Generator().manual_seed(0))
    flat = torch.full((2, 3, 40, 40), 0.3)  # every crop of it is the same
    flat[1] = 0.8
    seen = (torch.nn.functional.interpolate(flat, (32, 32)) - clip.mean) / clip.std
    features = torch.nn.functional.normalize(clip.model.encode_image(seen), dim=-1)
    right = torch.acos((features * loss.text).sum(-1)).square()
    assert torch.allclose(loss(flat), right, atol=1e-4)


def test_pictures_can_be_drawn_to_the_words(tiny: Path) -> None:
    loss = PromptLoss(load_clip(str(tiny)), "moss", torch.Generator().manual_seed(0))
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    images.requires_grad_()
    optimizer = torch.optim.Adam([images], 0.05)
    first = float(loss(images.detach()).mean())
    for _ in range(30):
        optimizer.zero_grad()
        loss(images).mean().backward()
        optimizer.step()
    assert float(loss(images.detach()).mean()) < 0.9 * first


def test_a_training_with_words_leaves_its_loss(tiny: Path, tmp_path: Path) -> None:
    Image.effect_noise((40, 40), 60).convert("RGB").save(tmp_path / "noise.png")
    settings = replace(
        PRESETS["tiny"], picture=tmp_path / "noise.png", out=tmp_path / "run", size=32, grid=16,
        late_grid=16, steps=(2, 3), late_steps=(2, 3), pool_size=8, iterations=2, quiet=True,
        features="random", prompt="moss", prompt_weight=2.0, clip=str(tiny),
    )  # fmt: skip
    train(settings)
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert 0 < row["prompt"] < 2 * 10


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32/nobody", "open_clip has no such weights; there are .*laion2b_s34b_b79k"),
        ("nonsense", "open_clip has no such weights; there are .*ViT-B-32"),
    ],
)
def test_unknown_models_are_named(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_clip(name)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder has no open_clip_model\.safetensors"):
        load_clip(str(tmp_path))
