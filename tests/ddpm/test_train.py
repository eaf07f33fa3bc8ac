"""Training, resume, several processes, and samples from a checkpoint alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from PIL import Image, ImageSequence
from torch import nn

from nca.cli import main
from nca.ddpm.checkpoint import Run, load_run
from nca.ddpm.command import draw_samples
from nca.ddpm.data.dataset import DataInfo, read_dataset
from nca.ddpm.diffusion.noising import Denoising, Noisify, build_loader
from nca.ddpm.diffusion.parameterization import build_parameterization
from nca.ddpm.diffusion.schedules import Discrete, linear
from nca.ddpm.diffusion.unet import UNet, init_ddpm
from nca.ddpm.settings import SampleSettings, ddpm_settings
from nca.ddpm.train import DDPMTraining, train
from nca.errors import InputError
from nca.training.callback import Callback
from nca.training.callbacks import load_checkpoint, save_checkpoint
from nca.training.learner import Learner
from tests.helpers.ddpm_run import SIDE, tiny, trained_run, write_pictures
from tests.helpers.training_jobs import StopAt, differences

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_run(tmp_path_factory.mktemp("ddpm"), classes=True)


def test_a_training_leaves_what_it_promises(run: Run) -> None:
    folder = run.path.parent
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.pt", "settings.json", "samples.png", "denoising.webp", "training.webp",
        "stages.png", "loss.png", "metrics.jsonl", "metrics.csv",
    }  # fmt: skip
    assert run.iterations == 3
    with Image.open(folder / "denoising.webp") as movie:
        assert len(ImageSequence.all_frames(movie)) > 10


def test_samples_from_a_checkpoint_alone(run: Run, tmp_path: Path) -> None:
    """Nothing else of the folder, nor the pictures, are there."""
    alone = tmp_path / "model.pt"
    shutil.copy(run.path, alone)
    command = ["ddpm", "sample", str(alone), "--n", "6", "--steps", "3"]
    assert main([*command, "--out", str(tmp_path / "sheet.png")]) == 0
    assert main([*command, "--out", str(tmp_path / "movie.gif")]) == 0
    assert main([*command, "--out", str(tmp_path / "single"), "--label", "below"]) == 0
    assert len(list((tmp_path / "single").iterdir())) == 6
    assert np.asarray(Image.open(tmp_path / "single" / "000005.png")).shape == (SIDE, SIDE, 3)
    assert main([*command, "--out", str(tmp_path / "sheet.png")]) == 2  # exists already


def settings(run: Run, **changes: Any) -> SampleSettings:
    return SampleSettings(run.path, Path("unused"), **{"n": 5, "steps": 3, **changes})


def test_a_sample_depends_on_its_seed_and_not_on_the_batch(run: Run) -> None:
    together = draw_samples(run, settings(run, label="above"))
    apart = draw_samples(run, settings(run, label="above", batch_size=2))
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-5)
    last = draw_samples(run, settings(run, label="above", n=1, seed=4))
    torch.testing.assert_close(together[4:], last, rtol=0, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=0.1)


def test_classes_and_guidance_change_samples(run: Run) -> None:
    above, below = (draw_samples(run, settings(run, label=label)) for label in run.model.info.names)
    insisted = draw_samples(run, settings(run, label="above", guidance=20.0))
    assert not torch.equal(above, below)
    assert not torch.equal(above, insisted)
    with pytest.raises(InputError, match="`label` cat: must be one of above, below"):
        draw_samples(run, settings(run, label="cat"))


def test_image_to_image_stays_near_the_picture(run: Run, tmp_path: Path) -> None:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[3:9, 3:9] = 255
    Image.fromarray(pixels).save(tmp_path / "square.png")
    picture = torch.from_numpy(pixels / 127.5 - 1).float()
    near, far = (
        draw_samples(
            run,
            settings(
                run, like=tmp_path / "square.png", like_weight=0.0, steps=10, strength=strength
            ),
        )
        for strength in (0.2, 0.9)
    )
    errors = [float((pictures[:, 0] - picture).abs().mean()) for pictures in (near, far)]
    assert errors[0] < 0.2 < errors[1]


@pytest.mark.parametrize(("target", "net"), [("noise", "unet"), ("v", "unet"), ("v", "nca")])
def test_a_stop_and_a_resume_give_the_same_bits(tmp_path: Path, target: str, net: str) -> None:
    options: dict[str, Any] = {"target": target, "net": net, "classes": True, "noise_steps": 200}
    if target == "noise":
        options |= {"times": "loss", "schedule": "karras", "workers": 0}
    chosen = tiny(tmp_path, **options)
    chosen.out.mkdir()
    pictures = read_dataset(chosen.data, chosen.images.size)

    def fresh(stop: int) -> Learner:
        learner = DDPMTraining(chosen, pictures).learner
        learner.use_callbacks([*learner.callbacks, StopAt(stop)])
        return learner

    whole = fresh(99)
    whole.fit(iterations=8)  # an epoch is five batches
    first = fresh(6)
    first.fit(iterations=8)
    path = save(first, tmp_path)
    resumed = fresh(99)
    resumed.load_state_dict(load_checkpoint(path))
    resumed.fit(iterations=8)
    assert differences(whole.state_dict(), resumed.state_dict()) == []


def save(learner: Learner, folder: Path) -> Path:
    from nca.training.callbacks import save_checkpoint  # noqa: PLC0415

    save_checkpoint(folder / "part.pt", learner.state_dict())
    return folder / "part.pt"


def test_resume_goes_on_and_refuses_other_settings(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.path.parent, folder)
    chosen = run.model.settings.override(out=folder, iterations=5, resume=True)
    train(chosen)
    assert load_run(folder).iterations == 5
    with pytest.raises(InputError, match=r"`learning_rate` was 0\.002, not 0\.5"):
        train(chosen.override(learning_rate=0.5))
    with pytest.raises(InputError, match="use `overwrite` or `resume`"):
        train(chosen.override(resume=False))
    moved = tmp_path / Path(chosen.data).name
    shutil.copytree(chosen.data, moved)
    train(chosen.override(data=str(moved)))
    Image.effect_noise((SIDE, SIDE), 60).save(next(moved.rglob("*.png")))
    with pytest.raises(InputError, match="is not the same image as before"):
        train(chosen.override(data=str(moved)))


def test_a_search_for_a_rate_trains_nothing(tmp_path: Path) -> None:
    trained = train(tiny(tmp_path, find_rate=True))
    assert {path.name for path in trained.folder.iterdir()} == {
        "rate_search.png", "rate_search.json", "settings.json",
    }  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Each takes its part of the batches; what they learn together is one checkpoint."""
    pictures = write_pictures(tmp_path / "pictures")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc_per_node", "2", "-m", "nca", "ddpm", "train", "--data", str(pictures),
        "--out", str(tmp_path / "run"), "--size", str(SIDE), "--channels", "8", "16",
        "--groups", "4", "--batch-size", "8", "--iterations", "4", "--quiet",
        "--noise-steps", "50",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert load_run(tmp_path / "run").iterations == 4
    # Of 45 pictures an epoch has five batches, of which a process has every second.
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["counts"]["epoch"] >= 1
    first, second = (generators["torch"] for generators in state["generators"])
    assert not torch.equal(first, second)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    from nca.training.callbacks import save_checkpoint  # noqa: PLC0415

    save_checkpoint(tmp_path / "other.pt", {"callbacks": {}})
    with pytest.raises(InputError, match="is not a checkpoint of a diffusion model"):
        load_run(tmp_path / "other.pt")
    with pytest.raises(InputError, match="cannot read"):
        load_run(tmp_path)


@pytest.mark.parametrize("side", [12, 13, 30])
def test_the_unet_takes_any_side(side: int) -> None:
    net = UNet(3, (8, 16), layers=1, groups=4, attention=1, patch=2, classes=3)
    x = torch.randn(2, 3, side, side)
    assert net(x, torch.tensor([1, 40]), torch.tensor([0, 3])).shape == x.shape


def test_the_unet_begins_as_the_lesson_begins() -> None:
    lesson = ddpm_settings("data", "out", "lesson20").network
    net = UNet(1, lesson.channels, layers=lesson.layers, groups=lesson.groups, attention=3).net
    plain = UNet2DModel(
        in_channels=1, out_channels=1, block_out_channels=(16, 32, 64, 128), norm_num_groups=8
    )
    assert [p.shape for p in net.parameters()] == [p.shape for p in plain.parameters()]
    assert not net.conv_out.weight.any()
    assert not any(block.conv2.weight.any() for level in net.up_blocks for block in level.resnets)
    down = net.down_blocks[0].downsamplers[0].conv.weight.flatten(1)
    torch.testing.assert_close(down @ down.T, torch.eye(len(down)), rtol=0, atol=1e-4)
    init_ddpm(plain)
    answer = plain(torch.randn(1, 1, 32, 32), torch.tensor([3])).sample
    assert torch.equal(answer, plain.conv_out.bias.expand_as(answer))


class Unwrap(Callback):
    """The callback of docs/explanation/diffusion.md."""

    def after_predict(self, learner: Learner) -> None:
        learner.prediction = learner.prediction.sample


def test_a_bare_net_of_diffusers_needs_five_lines(tmp_path: Path) -> None:
    pictures = read_dataset(str(write_pictures(tmp_path / "pictures")), 16)
    net: nn.Module = UNet2DModel(
        in_channels=1, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    loader = build_loader(
        pictures, Noisify(Discrete(linear(1000)), build_parameterization("noise", 1)), 8, seed=0
    )
    learner = Learner(
        net,
        loader,
        Denoising(),
        torch.optim.Adam(net.parameters(), 1e-3),
        callbacks=[Unwrap()],
    )
    learner.fit(iterations=1)
    assert learner.steps == 1
    assert learner.loss.isfinite()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"batch_size": 0}, "`batch_size` 0: must be 1 to 65536"),
        ({"channels": (10,)}, "`channels` 10: must be a multiple of `groups` 4"),
        ({"times": "loss", "workers": 2}, "`times` loss: needs `workers` 0"),
        ({"held_out": 1.0}, "`held_out` 1.0: must be 0 to 0.9"),
    ],
)
def test_settings_out_of_range_are_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        tiny(tmp_path, **changes)


def test_classes_need_some(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(16):
        Image.new("L", (16, 16), 10 * i).save(folder / f"{i}.png")
    with pytest.raises(InputError, match="`classes`: the images have none"):
        train(tiny(tmp_path, classes=True))


def test_a_checkpoint_of_an_earlier_version_is_read_and_resumed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.path.parent, folder)
    state = load_checkpoint(folder / "checkpoint.pt")
    chosen = run.model.settings
    settings = {
        "data": chosen.data, "out": str(folder), "preset": "small", "minutes": 20.0,
        "iterations": 3, "size": SIDE, "classes": True, "held_out": 0.25, "schedule": "cosine",
        "noise_steps": 50, "target": "v", "times": "stratified", "weights": "min-snr",
        "channels": [8, 16], "layers": 1, "groups": 4, "attention": 1, "patch": 2,
        "batch_size": 8, "workers": 0, "learning_rate": 0.002, "find_rate": False, "ema": 0.999,
        "precision": "float32", "seed": 0, "resume": False, "overwrite": False, "quiet": True,
    }  # fmt: skip
    facts = {"colors": 1, "side": SIDE, "deviation": 0.6, "names": ["above", "below"]}
    state["callbacks"]["About"] = {"settings": json.dumps(settings), "facts": json.dumps(facts)}
    save_checkpoint(folder / "checkpoint.pt", state)
    read = load_run(folder).model
    assert read.settings == chosen.override(out=folder)
    assert read.info == DataInfo(1, SIDE, 0.6, ("above", "below"))
    train(read.settings.override(iterations=4, resume=True))
    assert load_run(folder).iterations == 4


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "iterations are a text": lambda state: state["counts"].update(iteration="5"),
    "no counts": lambda state: state.pop("counts"),
    "counts are none": lambda state: state.update(counts=None),
    "seconds are endless": lambda state: state["counts"].update(seconds=float("inf")),
    "callbacks are a list": lambda state: state.update(callbacks=[]),
    "settings are a list": lambda state: about(state, settings="[]"),
    "settings are deep": lambda state: about(state, settings="[" * 1_000_000),
    "settings are a number": lambda state: about(state, settings=5),
    "facts are null": lambda state: about(state, facts="null"),
    "names are a number": lambda state: fact(state, names=5),
    "a name is a number": lambda state: fact(state, names=[5]),
    "two colors": lambda state: fact(state, colors=2),
    "side is a text": lambda state: fact(state, side="12"),
    "side is huge": lambda state: fact(state, side=10**9),
    "no deviation": lambda state: fact(state, deviation=None),
    "channels are huge": lambda state: setting(state, channels=[10**9]),
    "out is a number": lambda state: setting(state, out=5),
    "weights are a list": lambda state: state.update(model=[1]),
    "average is a text": lambda state: state["callbacks"].update(EMA="no"),
    "average has few weights": lambda state: state["callbacks"]["EMA"]["weights"].pop(),
}


def about(state: dict[str, Any], **changes: Any) -> None:
    state["callbacks"]["About"].update(changes)


def fact(state: dict[str, Any], **changes: Any) -> None:
    about(state, facts=json.dumps(json.loads(state["callbacks"]["About"]["facts"]) | changes))


def setting(state: dict[str, Any], **changes: Any) -> None:
    values = json.loads(state["callbacks"]["About"]["settings"])
    about(state, settings=json.dumps(values | changes))


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_checkpoint_is_one_line(
    run: Run, tmp_path: Path, forged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_checkpoint(run.path)
    FORGED[forged](state)
    save_checkpoint(tmp_path / "forged.pt", state)
    words = ["ddpm", "sample", str(tmp_path / "forged.pt"), "--out", str(tmp_path / "a.png")]
    assert main(words) == 2
    complaint = capsys.readouterr().err
    start = f"nca: {tmp_path}/forged.pt is not a checkpoint of a diffusion model"
    assert complaint.startswith(start)
    assert complaint.count("\n") == 1
    assert len(complaint) < 1000
