"""CLIP by open_clip, with a tiny model made by the tests, without downloads.

Parts that need no open_clip are tested with a stand-in that sees the mean color.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from nca.errors import InputError
from nca.losses.prompt import Clip, PromptLoss, load_clip
from nca.losses.settings import PenaltySettings
from nca.rule import Rule
from nca.rule_settings import RuleSettings
from nca.texture.callbacks.keep_best import long_run_score
from nca.texture.objective import Grow
from nca.texture.pool import Draw
from nca.texture.settings import TrainSettings, train_settings
from nca.texture.tasks import task_of
from nca.texture.tasks.base import Task, prompt_term
from nca.texture.train import train
from nca.training.engines import Engine
from tests.losses.torchvision_models import torchvision_models


@pytest.fixture(scope="module")
def open_clip() -> Any:
    torchvision_models()  # open_clip imports it
    return pytest.importorskip("open_clip", reason="the extra clip is not installed")


@pytest.fixture(scope="module")
def tiny(open_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    assert torch.allclose(loss(flat)["prompt"], right, atol=1e-4)


def test_pictures_can_be_drawn_to_the_words(tiny: Path) -> None:
    loss = PromptLoss(load_clip(str(tiny)), "moss", torch.Generator().manual_seed(0))
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    images.requires_grad_()
    optimizer = torch.optim.Adam([images], 0.05)
    first = float(loss(images.detach())["prompt"].mean())
    for _ in range(30):
        optimizer.zero_grad()
        loss(images)["prompt"].mean().backward()
        optimizer.step()
    assert float(loss(images.detach())["prompt"].mean()) < 0.9 * first


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """A training of seconds, with a prompt."""
    for name in ("noise", "other"):
        Image.effect_noise((40, 40), 60).convert("RGB").save(tmp_path / f"{name}.png")
    return train_settings(
        tmp_path / "noise.png", tmp_path / "run", "tiny", size=32, grid=16,
        late_grid=16, steps=(2, 3), late_steps=(2, 3), pool_size=8, iterations=1, quiet=True,
        features="random", prompt="moss", prompt_weight=2.0, damage_rate=0.0
)  # fmt: skip


def test_a_training_with_words_leaves_its_loss(tiny: Path, settings: TrainSettings) -> None:
    train(settings.override(clip=str(tiny)))
    row = json.loads((settings.out / "metrics.jsonl").read_text().splitlines()[-1])
    clip = load_clip(str(tiny))
    # What a fresh rule shows is grey, as its second layer is zero.
    grey = PromptLoss(clip, "moss", torch.Generator())(torch.full((1, 3, 16, 16), 0.5))["prompt"]
    assert row["prompt"] == pytest.approx(2 * float(grey), rel=0.02)


@pytest.mark.usefixtures("open_clip")
def test_a_model_is_where_it_is_wanted(tiny: Path) -> None:
    clip = load_clip(str(tiny), torch.device("meta"))
    assert {weight.device.type for weight in clip.model.parameters()} == {"meta"}
    loss = PromptLoss(clip, "moss", torch.Generator())
    assert loss.text.device.type == "meta"
    images = torch.rand(2, 3, 40, 40, requires_grad=True)
    assert loss(images)["prompt"].device.type == "meta"


class Eye(torch.nn.Module):
    """A model that sees the mean color, and maps every text to red."""

    def __init__(self) -> None:
        super().__init__()
        self.red = torch.nn.Parameter(torch.tensor([[1.0, 0.0, 0.0]]))

    def encode_text(self, tokens: Tensor) -> Tensor:
        assert tokens.device == self.red.device
        return self.red[tokens]

    def encode_image(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) + 0 * self.red


def eye(device: str = "cpu") -> Clip:
    moments = torch.zeros(3, 1, 1, device=device), torch.ones(3, 1, 1, device=device)
    return Clip(Eye().to(device), lambda texts: torch.zeros(len(texts)).long(), 8, *moments)


def test_the_words_are_where_the_model_is() -> None:
    loss = PromptLoss(eye("meta"), "red", torch.Generator())
    assert loss.text.device.type == "meta"
    assert loss(torch.rand(2, 3, 40, 40))["prompt"].device.type == "meta"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_model_is_loaded_to_where_the_rule_is_trained(
    settings: TrainSettings, device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(_: str, device: torch.device) -> Clip:
        asked.append(device.type)
        return eye()

    monkeypatch.setattr("nca.texture.tasks.base.load_clip", load)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    prompt_term(settings.override(device=device), torch.Generator())
    assert asked == [device]


def make_task(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr("nca.texture.tasks.base.load_clip", lambda *_: eye())
    kind = task_of(settings.task)
    return kind(settings, kind.read(settings), torch.Generator().manual_seed(0), Engine())


@pytest.mark.parametrize("capped", [True, False])
def test_gradients_of_the_words_are_capped(
    settings: TrainSettings, capped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(settings.override(texture_weight=0.0), monkeypatch)
    objective = Grow(task, PenaltySettings(0.0), cap=capped)
    state = torch.zeros(4, 4, 16, 16)
    state[:, 1] = torch.tensor([0.4, 0.1, 0.1, 0.1])[:, None, None]
    state[1, :3] = -0.499  # nearly black: its angle turns at once
    state[1, 2] = -0.49
    state[2, 3] = 9.0  # blown up, its colors are not
    state.requires_grad_()
    masks = torch.zeros(0, 4, 16, 16, dtype=torch.bool)
    terms = objective.losses(state, Draw(torch.arange(4), state, masks))
    terms["prompt"].backward()
    norms = state.grad.flatten(1).norm(dim=1)
    assert (norms[2] == 0) == capped
    assert (norms[1] > 5 * norms[3]) != capped
    assert norms[[0, 1, 3]].min() > 0


KINDS: dict[str, dict[str, Any]] = {
    "texture": {},
    "several": {"also": ("other.png",)},
    "restore": {"restore": True, "padding": "replicate"},
    "grow": {
        "grow": True, "channels": 8, "grid": 36, "late_grid": 36,
        "features": "builtin", "texture_weight": 1.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_count_in_what_is_kept(
    settings: TrainSettings, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = KINDS[kind]
    also = tuple(settings.picture.parent / name for name in changes.get("also", ()))
    settings = settings.override(**{"texture_weight": 0.5} | changes | {"also": also})
    task = make_task(settings, monkeypatch)
    before = task.generator.get_state()
    runs = task.long_runs(task.rule, range(7, 9))
    assert len(runs) == (2 if kind == "several" else 1)
    for run in runs:
        state = run.state + 0.1
        found = task.score(run.rule, state, run.target)
        task.prompt_term, words = None, task.prompt_term
        without = task.score(run.rule, state, run.target)
        task.prompt_term = words
        color = task.rule.to_rgb(state).clamp(0, 1).mean((2, 3))
        angle = torch.acos((color[:, 0] / color.norm(dim=1)).clamp(-1, 1))
        assert torch.allclose(found, without + 2 * angle.square(), rtol=0.03)
    # The crops are the same for every rule.
    assert torch.equal(task.generator.get_state(), before)


def test_without_texture_the_words_choose(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open(settings.picture) as noise:
        cyan = Image.blend(noise, Image.new("RGB", noise.size, (0, 255, 255)), 0.3)
    cyan.save(settings.picture)
    rules = [Rule(RuleSettings(4, 8)) for _ in range(2)]
    with torch.no_grad():
        for rule, color in zip(rules, ([0.0, 0.1, 0.1], [0.1, 0.0, 0.0]), strict=True):
            rule.b1.fill_(1.0)
            rule.w2[:3] = torch.tensor(color)[:, None] / 10
    scores = {}
    for name, weight in (("words", 0.0), ("texture", 1.0)):
        words = settings.override(texture_weight=weight, prompt_weight=1.0 - weight)
        task = make_task(words, monkeypatch)
        scores[name] = [long_run_score(task, rule, (5,), range(2)).loss for rule in rules]
    assert scores["words"][1] < scores["words"][0]
    assert scores["texture"][0] < scores["texture"][1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32/nobody", "open_clip has no such model; choose from .*laion2b_s34b_b79k"),
        ("nonsense", "open_clip has no such model; choose from .*ViT-B-32"),
    ],
)
@pytest.mark.usefixtures("open_clip")
def test_unknown_models_are_named(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_clip(name)


@pytest.mark.usefixtures("open_clip")
def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder has no open_clip_model\.safetensors"):
        load_clip(str(tmp_path))
